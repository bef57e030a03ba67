#!/usr/bin/env bash
# Runs a command against a platform that is started for it, with its defaults, in a temporary folder and on free ports:
#
#   tools/with_platform.sh [--demo] COMMAND...
#
# The command finds PLATFORM_URL, PLATFORM_DICOM_PORT and PLATFORM_DATA in its environment. The platform ends with it.
set -euo pipefail
cd "$(dirname "$0")/.."
archipel=.venv/bin/archipel
demo=
if [ "$1" = --demo ]; then demo=1; shift; fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/archipel-platform-XXXXXX")
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
[ -z "$demo" ] || "$archipel" demo --data "$folder/data" < /dev/null
setpriv --pdeathsig TERM -- "$archipel" serve --data "$folder/data" --http-port "$http" --dicom-port "$dicom" > "$folder/log" 2>&1 < /dev/null &
server=$!
for _ in $(seq 240); do
  curl -sf -o /dev/null "http://127.0.0.1:$http/healthz" && break
  kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.25
done
PLATFORM_URL=http://127.0.0.1:$http PLATFORM_DICOM_PORT=$dicom PLATFORM_DATA=$folder/data "$@"
