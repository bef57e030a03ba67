#!/usr/bin/env bash
# The platform on its embedded default, in ./var; the first start fills it. DEMO=0: no demo region, one administrator.
# Other settings: ARCHIPEL_... in the environment; HTTP_PORT, DICOM_PORT, AET and DATA choose the doors and the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DATA:-var}
mkdir -p "$data"
if [ ! -e "$data/.filled" ]; then
  if [ "${DEMO:-1}" = 0 ]; then
    echo "First administrator: login admin, one-time password:"
    .venv/bin/archipel account add admin --role administrator --data "$data"
  else
    .venv/bin/archipel demo --data "$data"
  fi
  touch "$data/.filled"
fi
exec .venv/bin/archipel serve --data "$data" ${HTTP_PORT:+--http-port "$HTTP_PORT"} ${DICOM_PORT:+--dicom-port "$DICOM_PORT"} ${AET:+--aet "$AET"}
