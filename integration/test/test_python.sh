#!/usr/bin/env bash
# The Python package, installed by pip from the tree into a folder of its own, against real nodes. Needs SYMWAVE_BIN; is
# skipped (77) where Python has not what that takes.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
python=$(find_python ensurepip setuptools venv wheel) ||
    { echo "there is no python3-venv, python3-setuptools or python3-wheel"; exit 77; }
make_work_folder
cd -- "$work_folder"
for node in 1 2 3; do
    start_node "node-$node" 127.0.0.1:0
    printf -- '- id: node-%d\n  address: %s\n' "$node" "$node_address" >>list
done
{
    echo "nodes:"
    cat list
} >nodes.yaml
printf 'nodes:\n- id: down\n  address: 127.0.0.1:1\n' >down.yaml

"$python" -m venv --system-site-packages environment
cp -r "$root/client/python" package # pip builds beside the sources
capture environment/bin/pip install --no-index --no-build-isolation ./package
equal "pip installs it" 0 "$status"
((status == 0)) || printf '%s\n%s\n' "$out" "$err"
export SYMWAVE_LIBRARY=$bin/../lib/libsymwave.so.0 SYMWAVE_NODES=$work_folder/nodes.yaml SYMWAVE_EMPTY_NODES=$work_folder/down.yaml
capture environment/bin/python package/test/test_client.py
equal "its tests pass" 0 "$status"
((status == 0)) || printf '%s\n%s\n' "$out" "$err"
contains "... all of them" "Ran 7 tests" "$err"
end_checks
