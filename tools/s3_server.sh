#!/usr/bin/env bash
# A real S3 server for tests and trials: one Ceph monitor, one OSD and one RADOS gateway on loopback, from Debian's packages
# ceph-mon, ceph-osd, radosgw and ceph-common.
#
#   tools/s3_server.sh DIR [PORT]      stays in the foreground; prints the endpoint once it answers (about 20 s)
#
# Access key "archipel", secret key "archipel-secret". Everything is below DIR, which must be empty or absent; the object data is one
# sparse file of 6 GiB. Ends with all its processes on TERM or INT, and when its parent dies. One copy, no hardening: not for patients.
set -euo pipefail
dir=$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)
[ -z "$(ls -A "$dir")" ] || { echo "$dir is not empty" >&2; exit 2; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=${2:-$(free_port)} mon2=$(free_port) mon1=$(free_port)
fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
export CEPH_CONF=$dir/ceph.conf
mkdir -p "$dir"/{mon,osd,run,rgw,log}
cat > "$CEPH_CONF" <<C
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon2,v1:127.0.0.1:$mon1]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
run dir = $dir/run
admin socket = $dir/run/\$cluster-\$name.asok
log file = $dir/log/\$name.log
crash dir = $dir
keyring = $dir/keyring
[mon]
mon data = $dir/mon
mon data avail crit = 1
keyring = $dir/mon.keyring
[osd]
osd data = $dir/osd
osd objectstore = bluestore
bluestore block size = 6442450944
bluestore block create = true
osd memory target = 1073741824
keyring = $dir/osd/keyring
[client.rgw]
rgw data = $dir/rgw
keyring = $dir/rgw/keyring
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 64
C

children=()
finish() {
  trap - EXIT
  [ ${#children[@]} = 0 ] || kill -KILL "${children[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

quietly() { timeout 120 "$@" >> "$dir/log/setup.log" 2>&1 < /dev/null || { tail -n 20 "$dir/log/setup.log" >&2; exit 1; }; }
background() { # name command...: ends with this script
  local name=$1
  shift
  setpriv --pdeathsig KILL -- "$@" > "$dir/log/$name.out" 2>&1 < /dev/null &
  children+=($!)
}

quietly ceph-authtool --create-keyring "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
quietly ceph-authtool --create-keyring "$dir/mon.keyring" --gen-key -n mon. --cap mon 'allow *'
quietly ceph-authtool "$dir/mon.keyring" --import-keyring "$dir/keyring"
quietly monmaptool --create --addv a "[v2:127.0.0.1:$mon2,v1:127.0.0.1:$mon1]" --fsid "$fsid" "$dir/monmap"
quietly ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/mon.keyring"
background mon ceph-mon -i a -f
quietly ceph-authtool --create-keyring "$dir/osd/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
printf '{"cephx_secret":"%s"}' "$(ceph-authtool -p -n osd.0 "$dir/osd/keyring")" > "$dir/osd.secret"
quietly ceph osd new "$osd" -i "$dir/osd.secret"
quietly ceph-osd -i 0 --mkfs --osd-uuid "$osd"
background osd ceph-osd -i 0 -f
quietly ceph-authtool --create-keyring "$dir/rgw/keyring" --gen-key -n client.rgw --cap mon 'allow *' --cap osd 'allow *'
quietly ceph auth import -i "$dir/rgw/keyring"
quietly radosgw-admin user create --uid=archipel --display-name=archipel --access-key=archipel --secret-key=archipel-secret
background rgw radosgw -n client.rgw -f
for _ in $(seq 120); do
  sleep 0.25
  if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "http://127.0.0.1:$port"
    wait -n || true # the first of the three that ends, ends it all
    echo "a process of the S3 server ended; see $dir/log" >&2
    exit 1
  fi
done
echo "the gateway does not answer; see $dir/log" >&2
exit 1
