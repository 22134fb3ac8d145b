#!/usr/bin/env bash
# Builds Debian packages: symwaved (the node), symwave (the command), libsymwave0 and libsymwave-dev (the SDK), in
# build/package/packages. Installs what is missing, and has lintian look at them.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

cd -- "$root"
"$root/integration/install.sh" --package
run cmake -S . -B build/package -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr
run cmake --build build/package -j "$(job_count)"
rm -rf -- build/package/packages
# So that folders in the packages are as open as Debian wants them, whatever the builder's mask.
umask 022
(cd build/package && run cpack -G DEB)
run lintian --allow-root --fail-on error build/package/packages/*.deb
ls -l build/package/packages
