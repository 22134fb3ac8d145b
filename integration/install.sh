#!/usr/bin/env bash
# Installs what is missing to build Symwave (no argument), to build it and run all its tests (--tests), to run its
# benchmarks (--bench), for the slow half of the fault matrix (--faults), or to make packages of it (--package): Debian
# packages through apt, grpcurl, ghz and h2spec through Go.
# Prints what it does; does nothing where nothing is missing.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# grpcurl at a version that Debian 12's Go 1.19 builds.
grpcurl_module=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.8.9
# ghz, which loads a gRPC server, likewise.
ghz_module=github.com/bojand/ghz/cmd/ghz@v0.117.0
# h2spec, which asks a server all that HTTP/2 says. What it is made of wants a newer Go than Debian 12's.
h2spec_module=github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible

# To build: gcc brings libc6-dev only as a recommendation, descriptor.proto is in libprotobuf-dev. To run the demo: time.
packages=(
    gcc g++ libc6-dev cmake ninja-build pkg-config
    protobuf-compiler protobuf-c-compiler libprotobuf-dev libprotobuf-c-dev
    libgrpc-dev librocksdb-dev libcyaml-dev libyaml-dev libjansson-dev libssl-dev libmicrohttpd-dev libsystemd-dev libcmocka-dev
    jq time
)
# To test besides: iproute2 is for networks of a test's own, b3sum is what BLAKE3 is compared with, clang is the second
# compiler and has libFuzzer.
test_packages=(etcd-server iproute2 b3sum openssl curl python3 clang libclang-rt-14-dev clang-format abigail-tools doxygen
    python3-venv python3-setuptools python3-wheel python3-grpcio python3-protobuf)
# To make Debian packages and look at them.
package_packages=(debootstrap dpkg-dev file lintian procps)
# What the benchmarks measure beside, and what draws their plot.
bench_packages=(nginx-light aria2 curl python3-grpcio python3-protobuf rocksdb-tools gnuplot-nox)

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Whether there is a Go of at least 1.19.
have_go() {
    local version
    command -v go >/dev/null || return 1
    version=$(go env GOVERSION)
    [[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 19))
}

install_packages() {
    local missing=() package as_root=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return
    fi
    echo "Debian packages that are missing: ${missing[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "not root and no sudo here: as root, run: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    run "${as_root[@]}" apt-get update -q
    run "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# install_go_tool NAME MODULE: builds it; Go's caches go with it, so that one file is left.
install_go_tool() {
    local folder
    folder=$(mktemp -d)
    mkdir -p "$tools"
    echo "$1 is missing: building it into $tools"
    run env GOPATH="$folder/path" GOCACHE="$folder/cache" GOFLAGS=-modcacherw GOBIN="$tools" \
        go install "$2" || { rm -rf -- "$folder"; die "cannot build $1"; }
    rm -rf -- "$folder"
}

go_tools=()
case "$*" in
"") ;;
--tests)
    packages+=("${test_packages[@]}")
    find_tool grpcurl >/dev/null || go_tools+=(grpcurl "$grpcurl_module")
    ;;
--bench)
    packages+=("${bench_packages[@]}")
    find_tool ghz >/dev/null || go_tools+=(ghz "$ghz_module")
    ;;
--faults)
    packages+=("${test_packages[@]}" gnuplot-nox)
    find_tool ghz >/dev/null || go_tools+=(ghz "$ghz_module")
    ;;
--package) packages+=("${package_packages[@]}") ;;
*) die "usage: ${0##*/} [--tests | --bench | --faults | --package]" ;;
esac
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "this is not Debian; install what these packages hold: ${packages[*]}, and grpcurl for the tests"
if ((${#go_tools[@]} > 0)); then
    have_go || packages+=(golang-go)
    packages+=(ca-certificates)
fi
install_packages "${packages[@]}"
if ((${#go_tools[@]} > 0)); then
    install_go_tool "${go_tools[@]}"
fi
if [[ $* == --faults ]] && ! find_tool h2spec >/dev/null; then
    (install_go_tool h2spec "$h2spec_module") || echo "without h2spec: its part of the matrix is left out"
fi
