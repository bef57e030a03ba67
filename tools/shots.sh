#!/usr/bin/env bash
# Every screen of the demo region into docs/guide (or SHOTS); called by tools/with_platform.sh --demo. SHOT_LOOKS="fr-dark-1024 ..." for others.
set -euo pipefail
# shellcheck disable=SC2086
.venv/bin/python -m tests.web_app.shots "$PLATFORM_URL" demo-admin archipel-demo "${SHOTS:-docs/guide}" ${SHOT_LOOKS:-fr-light-1440 en-light-1440}
