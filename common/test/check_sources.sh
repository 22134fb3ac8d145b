#!/bin/sh
# Holds the sources to two rules of the house: an outside library is included where it is wrapped and nowhere else, and
# everything is formatted by .clang-format (skipped where clang-format is not there). Argument: the project's folder.
set -eu
cd "$1"
failed=0

# only_in HEADER FILE...: no other source, tests aside, includes a header of that name.
only_in() {
    header=$1
    shift
    for file in $(find proto common server client integration -name '*.[ch]' ! -path '*/test/*' ! -path '*/bench/*' |
        xargs grep -lE "^#include [<\"]$header" || true); do
        case " $* " in
        *" $file "*) ;;
        *)
            echo "$file includes $header: only $* may" >&2
            failed=1
            ;;
        esac
    done
}

only_in 'rocksdb/' server/store_rocksdb_core.h client/rocksdb/rocksdb_store.c
only_in 'grpc/[a-z_]*\.h' common/rpc_core.h
only_in 'grpcpp?/' common/rpc_core.h
only_in 'cyaml/' common/node_list_yaml.c server/config_yaml.c
only_in 'yaml\.h' common/node_list_yaml.c server/config_yaml.c
only_in 'jansson\.h' client/io/report_json.c client/files/layout_json.c client/cli/json_output.c \
    client/cli/trace_file.c server/admin_report.c
only_in 'microhttpd\.h' server/http.c
only_in 'systemd/' server/notify.c
only_in 'openssl/' common/tls_files.c
only_in 'argp\.h' server/config.c server/admin.c client/cli/cli.h

if command -v clang-format >/dev/null; then
    find common server client integration -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror || failed=1
else
    echo "clang-format is not here: formatting is not checked"
fi
exit $failed
