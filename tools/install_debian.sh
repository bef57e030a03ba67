#!/usr/bin/env bash
# Installs the Debian packages that the tests use as peers, when some are missing. The one list of them.
# Without root it only says what is missing and what is skipped for it. Starts no daemon.
set -euo pipefail

# package           what the tests do with it
packages='
chromium            the web application and the viewer in a real browser
dcmtk               C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET by an independent implementation
orthanc             a PACS as a peer, both ways
orthanc-dicomweb    its DICOMweb client and server
dicom3tools         dciodvfy on what the archive gives back
postgresql          every contract on PostgreSQL
radosgw             every contract on a real S3 server
ceph-mon            (the S3 server)
ceph-osd            (the S3 server)
ceph-common         (the S3 server)
strace              the order of sync and acknowledgement, system calls that fail
libfaketime         a clock that jumps
libxml2-utils       audit messages by the schema of the standard
rsyslog             a receiver of audit messages
rsyslog-gnutls      (its TLS)
iproute2            a machine whose network goes silent
e2fsprogs           a file system that turns read-only
fonts-dejavu-core   text in five scripts on the screens
fonts-noto-core     (text on the screens)
curl                waiting for a server in shell scripts
procps              process trees in the fault tests
'
missing=$(echo "$packages" | while read -r name _; do
  [ -z "$name" ] || dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
done)
[ -n "$missing" ] || exit 0
list=$(echo $missing)
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "Not root on Debian, so these Debian packages stay missing and the tests that need them are skipped (with CI set they fail):" >&2
  echo "$packages" | while read -r name purpose; do
    case " $list " in *" $name "*) [ -z "$name" ] || printf '  %-18s %s\n' "$name" "$purpose" >&2 ;; esac
  done
  exit 0
fi
echo "installing Debian packages: $list"
policy=/usr/sbin/policy-rc.d # while it answers 101 no package starts its daemon
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $list; } < /dev/null > /dev/null; then
  echo "apt-get could not install them; the tests that need them are skipped (with CI set they fail)" >&2
  [ -z "${CI:-}" ] || exit 1
fi
