#!/usr/bin/env bash
# Ratios against Orthanc and DCMTK's storescp in the same run, on a platform started for it in a temporary folder with its defaults.
# With ../shared/bench/side_by_side.py beside the checkout that program measures (BENCH_ARGS go to it); else every program of benchmarks/.
set -euo pipefail
cd "$(dirname "$0")/.."
archipel=.venv/bin/archipel
side_by_side=../shared/bench/side_by_side.py
folder=$(mktemp -d "${TMPDIR:-/tmp}/archipel-bench-XXXXXX")
server=
finish() {
  trap - EXIT
  [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 143' TERM INT

read -r http dicom < <(.venv/bin/python -c '
import socket
a, b = socket.socket(), socket.socket()
a.bind(("127.0.0.1", 0)), b.bind(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')
"$archipel" account add bench --role archive_operator --data "$folder/data" > /dev/null
"$archipel" device add BENCH 127.0.0.1 104 --data "$folder/data" > /dev/null
setpriv --pdeathsig TERM -- "$archipel" serve --data "$folder/data" --http-port "$http" --dicom-port "$dicom" > "$folder/log" 2>&1 < /dev/null &
server=$!
for _ in $(seq 120); do
  curl -sf -o /dev/null "http://127.0.0.1:$http/healthz" && break
  kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.25
done
export BENCH_HTTP=http://127.0.0.1:$http BENCH_DICOM_PORT=$dicom BENCH_TOKEN
BENCH_TOKEN=$("$archipel" token bench --data "$folder/data")

if [ -f "$side_by_side" ]; then
  # shellcheck disable=SC2086
  .venv/bin/python "$side_by_side" --aet ARCHIPEL --dicom-port "$dicom" --web "$BENCH_HTTP/dicom-web" --token "$BENCH_TOKEN" ${BENCH_ARGS:-}
else
  for program in benchmarks/*.py; do
    [ -f "$program" ] || { echo "nothing to measure: no $side_by_side and no benchmarks/"; break; }
    .venv/bin/python "$program"
  done
fi
