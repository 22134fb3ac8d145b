# For run.sh: files of which hardly enough is left.
# shellcheck shell=bash
# shellcheck disable=SC2154

# with_symbols MORE: a node holds K + MORE symbols of a file, half of them source symbols, and it is got from there. K is left
# in $source_symbols.
with_symbols() {
    local half
    head -c 3000000 /dev/urandom >file
    "$bin/symwave" --json encode file --layout layout.json --symbols symbols >encoded
    source_symbols=$(jq .source_symbols encoded)
    half=$((source_symbols / 2))
    jq -r '.blocks[].symbols[]' layout.json >all
    { head -n "$half" all; tail -n "$((source_symbols - half + $1))" all; } >kept
    equal "K is what RFC 6330 makes of it" $(((3000000 + 65527) / 65528)) "$source_symbols"
    start_node file-1 127.0.0.1:0
    list_of file-1 >nodes.yaml
    sed 's|^|symbols/|' kept | xargs "$bin/symwave" --nodes nodes.yaml store >stored
    get_file
}

scenario fewer_than_k fast "K - 1 symbols of a file exist, the others nowhere" "an error that says how many are missing; no file"
fewer_than_k() {
    with_symbols -1
    one_line "the get falls short" 1 "1"
    equal "there is no file" "" "$(ls got 2>/dev/null || true)"
    seen "K is $source_symbols; $err"
}

scenario exactly_k fast "K symbols of a file exist, half of them repair symbols" \
    "the file: these symbols are not one of the sets, one of a hundred, that do not do"
exactly_k() {
    with_symbols 0
    got_file
    seen "K is $source_symbols; the file"
}

scenario one_more_than_k fast "K + 1 symbols of a file exist, half of them repair symbols" "the file"
one_more_than_k() {
    with_symbols 1
    got_file
    seen "K is $source_symbols; the file"
}
