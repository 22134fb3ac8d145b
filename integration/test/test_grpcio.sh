#!/usr/bin/env bash
# The wire contract from outside, by a plain grpcio client in Python. Needs SYMWAVE_BIN; is skipped (77) where there is no
# grpcio, protobuf, protoc or b3sum.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
if ! python=$(find_python grpc google.protobuf) || ! command -v protoc >/dev/null || ! command -v b3sum >/dev/null; then
    echo "there is no python3-grpcio, python3-protobuf, protoc or b3sum"
    exit 77
fi
make_work_folder
cd -- "$work_folder"
mkdir modules
(cd "$root/proto" && protoc --python_out="$work_folder/modules" --proto_path=. symwave/v1/*.proto grpc/health/v1/*.proto \
    grpc/reflection/v1alpha/*.proto)
# The modules of "grpc" stand beside grpcio's own package of that name.
installed=$("$python" -c 'import grpc, os; print(os.path.dirname(grpc.__file__))')
cp -r "$installed/." modules/grpc/
{
    echo "nodes:"
    for ((i = 1; i <= 40; i++)); do
        printf -- '- id: node-%d\n  address: 127.0.0.1:1\n' "$i"
    done
} >nodes.yaml
start_node node-1 127.0.0.1:0 --nodes nodes.yaml
export PYTHONPATH=$work_folder/modules SYMWAVE_NODE=$node_address
capture "$python" "$root/integration/interop/grpcio_client.py"
equal "its tests pass" 0 "$status"
((status == 0)) || printf '%s\n%s\n' "$out" "$err"
contains "... all of them" "Ran 6 tests" "$err"
equal "the node has logged no error" 0 "$(grep -c 'level=error' node-1.log || true)"
end_checks
