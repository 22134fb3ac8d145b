#!/usr/bin/env bash
# The codec understands another implementation of RFC 6330 and is understood by it. Builds that one, the crate raptorq,
# and runs test_raptorq_interop with it. Needs SYMWAVE_BIN. Exits with 77 where the crate cannot be built.
set -euo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
source "$here/../lib.sh"
bin=${SYMWAVE_BIN:?}

SYMWAVE_RAPTORQ_PEER=$("$here/build_peer.sh") || exit
export SYMWAVE_RAPTORQ_PEER
exec "$bin/test_raptorq_interop"
