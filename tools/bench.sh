#!/usr/bin/env bash
# Ratios against Orthanc and DCMTK's storescp in the same run; called by tools/with_platform.sh.
# With ../shared/bench/side_by_side.py beside the checkout that program measures first (BENCH_ARGS go to it); then every program of benchmarks/,
# which finds PLATFORM_URL, PLATFORM_DICOM_PORT and PLATFORM_TOKEN in its environment and is known as the device BENCH.
set -euo pipefail
archipel=.venv/bin/archipel
side_by_side=../shared/bench/side_by_side.py
"$archipel" account add bench --role archive_operator --data "$PLATFORM_DATA" > /dev/null
"$archipel" device add BENCH 127.0.0.1 104 --data "$PLATFORM_DATA" > /dev/null
PLATFORM_TOKEN=$("$archipel" token bench --data "$PLATFORM_DATA")
export PLATFORM_TOKEN
if [ -f "$side_by_side" ]; then
  # shellcheck disable=SC2086
  .venv/bin/python "$side_by_side" --aet ARCHIPEL --dicom-port "$PLATFORM_DICOM_PORT" --web "$PLATFORM_URL/dicom-web" \
    --token "$PLATFORM_TOKEN" ${BENCH_ARGS:-}
fi
for program in benchmarks/*.py; do
  .venv/bin/python "$program"
done
