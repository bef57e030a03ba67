#!/usr/bin/env bash
# The platform on its embedded default, in ./var. The first start fills it with the demo region and says who may sign in; with DEMO=0 it stays
# empty and the platform itself prints its first administrator.
# HTTP_PORT, DICOM_PORT, HOST, AET and DATA choose doors and folder; other settings: ARCHIPEL_... in the environment, or $DATA/archipel.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DATA:-var}
mkdir -p "$data"
if [ "${DEMO:-1}" != 0 ]; then
  if [ ! -e "$data/demo.txt" ]; then
    echo "filling the demo region (once)"
    .venv/bin/archipel demo --data "$data" < /dev/null > "$data/demo.part"
    mv "$data/demo.part" "$data/demo.txt"
  fi
  cat "$data/demo.txt" # accounts of a training ground; nothing here is a secret
fi
exec .venv/bin/archipel serve --data "$data" ${HOST:+--host "$HOST"} ${HTTP_PORT:+--http-port "$HTTP_PORT"} \
  ${DICOM_PORT:+--dicom-port "$DICOM_PORT"} ${AET:+--aet "$AET"} < /dev/null
