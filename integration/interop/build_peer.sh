#!/usr/bin/env bash
# Builds raptorq_peer into build/tools/raptorq_peer and prints where it is. Exits with 77 where that cannot be done
# here: no cargo, no network, a Rust that is too old for the crate.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

PATH=$PATH:${HOME:-}/.cargo/bin
target=$root/build/tools/raptorq_peer
manifest=$root/integration/interop/Cargo.toml
build=(cargo build --release --locked --quiet --target-dir "$target" --manifest-path "$manifest")

if ! command -v cargo >/dev/null; then
    echo "no cargo here, neither on the path nor in ~/.cargo/bin: the crate raptorq cannot be built" >&2
    exit 77
fi
# The crate by itself first: that it cannot be had is the machine's affair, and what fails after it is ours.
if ! "${build[@]}" --package raptorq >&2; then
    echo "cargo cannot build the crate raptorq here, see above" >&2
    exit 77
fi
"${build[@]}" >&2 || die "raptorq_peer does not build"
echo "$target/release/raptorq_peer"
