#!/usr/bin/env bash
# Types, lint and tests of the browser application, with the Node that the build dependencies bring.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f web/package.json ] || { echo "no browser application in this checkout"; exit 0; }
export PATH="$PWD/.venv/bin:$PATH"
cd web
[ -d node_modules ] || npm ci --no-audit --no-fund < /dev/null
npm run check < /dev/null
