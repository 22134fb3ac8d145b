#!/usr/bin/env bash
# Builds the Debian packages, installs them into a fresh Debian 12 root, starts the node there as its own user, stores and
# fetches with the installed command, builds a program against the installed library, installs a newer version over it, and
# removes all again. The root takes rights to mount; it is made once, in build/package-root.tar.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

cd -- "$root"
"$root/integration/package.sh"
tar=$root/build/package-root.tar

make_work_folder
fresh=$work_folder/root
mkdir "$fresh" "$fresh/proc"
if ! mount -t proc proc "$fresh/proc" 2>/dev/null; then
    echo "the packages are built, but nothing may be mounted here: they are not tried in a root of their own"
    exit 77
fi
umount "$fresh/proc"
rmdir "$fresh/proc"
# The node of the root, and what is mounted there, go before the work folder does.
leave() {
    local status=$?
    trap - EXIT
    [[ -z ${node_pid:-} ]] || kill -KILL "$node_pid" 2>/dev/null || true
    umount "$fresh/proc" 2>/dev/null || true
    umount "$fresh/dev" 2>/dev/null || true
    mountpoint -q "$fresh/proc" || mountpoint -q "$fresh/dev" || rm -rf -- "$work_folder"
    exit "$status"
}
trap leave EXIT

# The machine's own way to Debian's packages, whatever it is.
copy_apt() {
    cp -r /etc/apt/. "$fresh/etc/apt/"
    cp /etc/resolv.conf /etc/hosts "$fresh/etc/" || true
    mkdir -p "$fresh/etc/ssl/certs" "$fresh/usr/local/share/ca-certificates"
    cp -r /etc/ssl/certs/. "$fresh/etc/ssl/certs/"
    cp -r /usr/share/keyrings "$fresh/usr/share/" 2>/dev/null || true
}

# What keeps a root from being made is this machine's way to Debian, and not a fault of the packages.
no_root() {
    echo "the packages are built, but a Debian root cannot be made here: they are not tried in one"
    exit 77
}

in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} chroot "$fresh" "$@"
}

if [[ ! -f $tar ]]; then
    mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | sed -n 1p)
    run debootstrap --variant=minbase --include=ca-certificates bookworm "$fresh" \
        ${mirror:+"$mirror"} || no_root
    copy_apt
    mount -t proc proc "$fresh/proc"
    mount --bind /dev "$fresh/dev"
    in_root apt-get update -q || no_root
    # What the packages and the little program need; they themselves come later.
    in_root apt-get install -q -y --no-install-recommends gcc libc6-dev pkg-config systemd-standalone-sysusers \
        systemd-standalone-tmpfiles libcyaml1 libgrpc29 libjansson4 libprotobuf-c1 librocksdb7.8 libmicrohttpd12 ||
        no_root
    in_root apt-get clean
    umount "$fresh/proc" "$fresh/dev"
    tar -C "$fresh" -cf "$tar.part" .
    mv "$tar.part" "$tar"
else
    tar -C "$fresh" -xf "$tar"
fi
mount -t proc proc "$fresh/proc"
mount --bind /dev "$fresh/dev"

# ---- install ----

mkdir "$fresh/packages"
cp build/package/packages/*.deb "$fresh/packages/"
capture in_root sh -c 'dpkg -i /packages/*.deb'
equal "the packages install" 0 "$status"
((status == 0)) || printf '%s\n%s\n' "$out" "$err"
equal "the node has a user" "symwave" "$(in_root getent passwd symwave | cut -d : -f 1)"
equal "its folder is its own" "symwave symwave 750" "$(in_root stat -c '%U %G %a' /var/lib/symwave)"
capture in_root symwaved --config /etc/symwave/symwaved.yaml --check-config
equal "the configuration that comes with it is right" "/etc/symwave/symwaved.yaml: the configuration is right" "$out"
equal "pages of the manual" 5 "$(find "$fresh/usr/share/man" -name 'symwave*.gz' | wc -l)"

# ---- run ----

# start: the node as its unit runs it, as its own user.
start() {
    : >"$work_folder/node.log" # before anybody looks for the line that an earlier start left there
    in_root setpriv --reuid symwave --regid symwave --clear-groups /usr/bin/symwaved --config /etc/symwave/symwaved.yaml \
        2>"$work_folder/node.log" &
    node_pid=$!
    local tries=600 # of 50 ms
    until grep -q 'msg="node started"' "$work_folder/node.log"; do
        kill -0 "$node_pid" 2>/dev/null && ((tries-- > 0)) || { cat "$work_folder/node.log"; die "the node did not start"; }
        sleep 0.05
    done
}
stop() {
    kill -TERM "$(pgrep -P "$node_pid" || echo "$node_pid")" 2>/dev/null || kill -TERM "$node_pid"
    status=0
    wait "$node_pid" || status=$?
    node_pid=
    equal "the node stops in order" 0 "$status"
}

start
head -c 3000000 /dev/urandom >"$fresh/tmp/file"
nodes=/usr/share/doc/symwave/examples/nodes.yaml
capture in_root symwave --nodes $nodes put /tmp/file --layout /tmp/layout.json
equal "put" 0 "$status"
capture in_root symwave --nodes $nodes get /tmp/layout.json --out /tmp/again
equal "get" 0 "$status"
cmp "$fresh/tmp/file" "$fresh/tmp/again" && pass "the file is the same" || fail "the file is the same"

# From the guide and the examples, as they are installed, with the guide's own command.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$fresh/usr/share/doc/libsymwave-dev/guide.md" |
    awk -v folder="$fresh/tmp" '/^\/\* [a-z]+( NODES|:)/ { name = $2; sub(":", "", name); file = folder "/" name ".c" } { print >file }'
for source in "$fresh"/tmp/first.c "$fresh"/tmp/total.c "$fresh"/tmp/pieces.c "$fresh"/tmp/liars.c "$fresh"/usr/share/doc/libsymwave-dev/examples/*.c; do
    name=$(basename -- "$source" .c)
    package=symwave
    [[ $name != liars ]] || package=symwave-testing
    capture in_root sh -c "cc -Wall -Werror -o /tmp/$name ${source#"$fresh"} \$(pkg-config --cflags --libs $package)"
    equal "$name builds against the library" 0 "$status"
done
capture in_root /tmp/first $nodes hello
equal "the guide's first program runs" "0 GncwzCSyFgkKaKFKQG7cA6EwHsnJ4s65w1pRtMpMvEpn: hello" "$status $out"
capture in_root /tmp/own_cache $nodes "${out%%:*}"
equal "so does an example" "0 1 from nodes, 0 from the cache 0 from nodes, 1 from the cache" "$status ${out//$'\n'/ }"
capture in_root /tmp/liars
contains "and the guide's test of a program" "3 of 3 found though 5 of 6 nodes lie" "$out"
capture in_root symwaved stats --config /etc/symwave/symwaved.yaml --json
equal "stats of the node that runs" "0 true" "$status $(jq -r .running <<<"$out")"
stop
capture in_root symwaved scrub --config /etc/symwave/symwaved.yaml
equal "root makes no files that its user could not use" 3 "$status"
capture in_root setpriv --reuid symwave --regid symwave --clear-groups symwaved scrub \
    --config /etc/symwave/symwaved.yaml --json
equal "its user scrubs it while it does not run" "0 0" "$status $(jq -r .damaged <<<"$out")"

# ---- upgrade, remove, purge ----

echo '# a change of the operator' >>"$fresh/etc/symwave/symwaved.yaml"
mkdir "$work_folder/newer"
dpkg-deb -R build/package/packages/symwaved_*.deb "$work_folder/newer/symwaved"
sed -i 's/^Version: .*/Version: 0.1.1-1/' "$work_folder/newer/symwaved/DEBIAN/control"
dpkg-deb -b "$work_folder/newer/symwaved" "$fresh/packages/newer.deb" >/dev/null
capture in_root dpkg -i /packages/newer.deb
equal "a newer version installs over it" 0 "$status"
contains "the operator's change is kept" "# a change of the operator" "$(<"$fresh/etc/symwave/symwaved.yaml")"
start
rm "$fresh/tmp/again"
capture in_root symwave --nodes $nodes get /tmp/layout.json --out /tmp/again
equal "what was stored before is there" 0 "$status"
stop
capture in_root dpkg --remove symwaved symwave libsymwave-dev libsymwave-testing0 libsymwave-rocksdb0 libsymwave0
equal "the packages are removed" 0 "$status"
capture in_root dpkg --purge symwaved
equal "the node is purged" 0 "$status"
contains "its symbols are left, and it says so" "symbols are left in /var/lib/symwave" "$out$err"
[[ ! -e $fresh/etc/symwave/symwaved.yaml ]] && pass "its configuration is gone" || fail "its configuration is gone"
end_checks
