#!/usr/bin/env bash
# Brings .venv up to date, and does nothing when it already is: tools/setup.sh run|dev|web
#
#   run   what the platform needs, installed from the lock with hashes, and the package itself (editable)
#   dev   the same and the tools of the tests and checks
#   web   the browser application, built into the package
#
# A step leaves a stamp that holds the digest of what it was made from, so that the second start takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
step=${1:?run, dev or web}
venv=.venv

digest() { # of the names and content of files
  sha256sum "$@" | sha256sum | cut -d' ' -f1
}
is_made() { [ "$(cat "$venv/stamp-$1" 2>/dev/null)" = "$2" ]; }
made() { printf '%s\n' "$2" > "$venv/stamp-$1"; }

make_venv() {
  [ -x "$venv/bin/pip" ] && "$venv/bin/python" -c '' 2>/dev/null && return
  local python
  python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
  if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed (Debian 12: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3.11" >&2
    exit 1
  fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make a virtual environment: install its venv part (Debian: apt-get install python3-venv)" >&2
    exit 1
  fi
  echo "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
}

pip_install() { # quiet twice: the first still repeats what a machine says about its mirrors
  PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" install -qq --no-input "$@" < /dev/null
}

install_python() { # lock file
  local wanted
  wanted="$(digest pyproject.toml "$1") $(pwd) $("$venv/bin/python" -c 'import sys; print(sys.version_info[:3])')"
  is_made "$step" "$wanted" && return
  [ "$step" != run ] || ! is_made dev "$(digest pyproject.toml requirements/dev.txt) ${wanted#* }" || return 0 # dev holds run
  echo "installing from $1"
  pip_install --require-hashes -r "$1"
  build_web # before the package, whose build would do it without a word
  pip_install --no-build-isolation --no-deps --editable .
  made "$step" "$wanted"
}

build_web() { # keeps stamps of its own beside what it makes
  [ ! -f hatch_build.py ] || "$venv/bin/python" hatch_build.py < /dev/null
}

make_venv
exec 9> "$venv/setup.lock"
flock 9 # two makes in one checkout set up one after the other
case $step in
  run) install_python requirements/build.txt ;;
  dev) install_python requirements/dev.txt ;;
  web) build_web ;;
  *) echo "unknown step: $step" >&2; exit 2 ;;
esac
