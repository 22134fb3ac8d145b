#!/bin/bash
# The symwave command where no server is needed: what it prints, what it refuses, and its exit statuses.
# Usage: test_cli.sh SYMWAVE
set -u
symwave=$(realpath "$1")
[ -x "$symwave" ] || { echo "there is no program $1" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0

# expect STATUS OUT-PATTERN ERR-PATTERN ARGUMENTS...: an extended regular expression for each stream, '' for silence.
# Standard input is the file "input".
expect() {
    local status=$1 out=$2 err=$3 got
    shift 3
    "$symwave" "$@" <input >out 2>err
    got=$?
    if [ "$got" != "$status" ]; then
        complain "exit status $got instead of $status" "$@"
    fi
    match out "$out" "$@"
    match err "$err" "$@"
    # An error is one line, unless it comes from the option parser of the C library, which adds where help is.
    if [ -s err ] && [ "$(grep -vc "^Try .symwave" err)" != 1 ]; then
        complain "standard error has more than one line" "$@"
    fi
}

match() {
    local file=$1 pattern=$2
    shift 2
    if [ -z "$pattern" ]; then
        [ ! -s "$file" ] || complain "unexpected text in $file: $(head -c 300 "$file")" "$@"
    else
        tr '\n' ' ' <"$file" | grep -Eq -- "$pattern" || complain "$file lacks \"$pattern\": $(head -c 300 "$file")" "$@"
    fi
}

complain() {
    local what=$1
    shift
    echo "FAILED: symwave $*: $what" >&2
    failures=$((failures + 1))
}

# BLAKE3-256 of "abc" by b3sum, its base64 by base64(1), its base58 by arithmetic on the number.
hex=6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85
base64=ZDezrDhGUTP/tjt1JzqNtUjFWEZdedsD/TWcbNW9nYU=
base58=7kD2uF9CWmE7MSpR6K8kwRC2YNsHDSvAgbiQzy4Tqny2

: >input
cat >nodes.yaml <<END
nodes:
- id: node-0000
  address: 127.0.0.1:1
- id: node-0001
  address: 127.0.0.1:2
- id: node-0002
  address: 127.0.0.1:3
END

# Help and version.
expect 0 '^Usage: symwave .*store.*fetch.*route.*nodes.*key.*Examples' '' --help
expect 0 '^symwave [0-9]+\.[0-9]+' '' --version
for command in store fetch route nodes discover key; do
    expect 0 "^Usage: symwave $command .*Example" '' "$command" --help
done

# Usage.
expect 2 '' '^symwave: name a command'
expect 2 '' '^symwave: there is no command "frobnicate"' frobnicate
expect 2 '' "^symwave: unrecognized option '--frobnicate'" --frobnicate
expect 2 '' "^symwave fetch: unrecognized option '--frobnicate'" fetch --frobnicate
expect 2 '' "^symwave: option '--nodes' requires an argument" --nodes
expect 2 '' '^symwave: which nodes\?' route "$base58"
expect 2 '' '^symwave: which files\?' --nodes nodes.yaml store
expect 2 '' '^symwave: which symbols\?' --nodes nodes.yaml fetch --out o
expect 2 '' '^symwave: where to\?' --nodes nodes.yaml fetch --keys k
expect 2 '' '^symwave: which keys\?' --nodes nodes.yaml route
expect 2 '' '^symwave: which key\?' key
expect 2 '' '^symwave: nodes takes no argument' --nodes nodes.yaml nodes extra
for required in 0 0% 101% -1 many 1.5; do
    expect 2 '' '^symwave: --required .*: it must be' --nodes nodes.yaml fetch --required="$required"
done
expect 2 '' '^symwave: --deadline soon' --nodes nodes.yaml fetch --deadline soon
expect 2 '' '^symwave: --budget 0' --nodes nodes.yaml store --budget 0 x
expect 2 '' 'from 1M to 16G' --nodes nodes.yaml store --budget 1K nodes.yaml
expect 2 '' '^symwave: --timeout never' --nodes nodes.yaml nodes --timeout never
[ ! -e o ] || complain "a folder was made in spite of a usage error"

# Keys: each form gives all three.
for text in $hex $base64 $base58; do
    expect 0 "^base58 $base58 hex +$hex base64 $base64 $" '' key "$text"
    expect 0 "^.\"base58\":\"$base58\",\"hex\":\"$hex\",\"base64\":\"$base64\". $" '' --json key "$text"
done
expect 0 "^base58 1{32} hex +0{64} base64 A{43}= $" '' key 11111111111111111111111111111111
expect 2 '' '^symwave: bad key "nonsense"' key "$hex" nonsense
expect 2 '' '^symwave: bad key "0OIl' key 0OIl0OIl0OIl0OIl0OIl0OIl0OIl0OIl0OIl0OIl

# Node lists.
expect 3 '' '^symwave: cannot open the node list none.yaml: No such file' --nodes none.yaml nodes
printf 'nodes:\n- id: a\n  address: 127.0.0.1:1\n  port: 7\n' >bad.yaml
expect 3 '' '^symwave: bad.yaml:4:3: .*port' --nodes bad.yaml nodes
printf 'nodes:\n- id: a\n  address: 127.0.0.1:99999\n' >bad.yaml
expect 3 '' '^symwave: bad.yaml:3:12: node number 1: address 127.0.0.1:99999 of node a' --nodes bad.yaml nodes
printf 'nodes:\n- id: a\n  address: h:1\n- id: a\n  address: h:2\n' >bad.yaml
expect 3 '' '^symwave: bad.yaml:4:7: node number 2: id a is in the list already' --nodes bad.yaml nodes
printf 'nodes: [\n' >bad.yaml
expect 3 '' '^symwave: bad.yaml:2:1: ' --nodes bad.yaml nodes

# Key files.
expect 3 '' '^symwave: cannot open none.tsv: No such file' --nodes nodes.yaml fetch --keys none.tsv --out o
printf '%s\tsome file\n# comment\n%s\nbad-key\n' $base58 $hex >keys
expect 2 '' '^symwave: keys:4: bad key "bad-key"' --nodes nodes.yaml fetch --keys keys --out o
printf '# none\n' >keys
expect 2 '' '^symwave: keys has no keys' --nodes nodes.yaml fetch --keys keys --out o
printf 'oops\n' >input
expect 2 '' '^symwave: standard input:1: bad key "oops"' --nodes nodes.yaml fetch --keys - --out o
: >input
[ ! -e o ] || complain "a folder was made in spite of bad keys"

# Routes need nobody. The expected lines are those of the network's own implementation, for three nodes of these names.
key=AsYuNN2njx3YHMjnGt7AGtKbZ9wF2qp8VsaG9Uu6xcuh
printf '%s\n' WBHEL8TSeZvujMfqRKnAFMD3YmNiqXQkq8QisKfJNpG >input
expect 0 "^$key	2	node-0002	node-0000	node-0001 $" '' --nodes nodes.yaml route --task t $key
expect 0 "^$key	2	node-0002	node-0000	node-0001 $" '' route --task t --nodes nodes.yaml $key
expect 0 "^WBHEL8TSeZvujMfqRKnAFMD3YmNiqXQkq8QisKfJNpG	2	node-0001	node-0000	node-0002 $" '' \
    -n nodes.yaml route -t t -k -
expect 0 '^."task":"t","routes":\[."key":"AsYu.*","base":2,"candidates":\[."id":"node-0002","address":"127.0.0.1:3".,' '' \
    --json --nodes nodes.yaml route --task t $key
: >input

# Folders and files of this machine.
printf '%s\n' $key >keys
expect 3 '' '^symwave: cannot make the folder no/such: ' --nodes nodes.yaml fetch --keys keys --out no/such
expect 3 '' '^symwave: cannot open the folder keys: Not a directory' --nodes nodes.yaml fetch --keys keys --out keys
: >empty
head -c 1048577 /dev/zero >large
mkdir folder
expect 3 '' '^symwave: cannot store none: No such file' --nodes nodes.yaml store nodes.yaml none
expect 3 '' '^symwave: cannot store empty: it is empty' --nodes nodes.yaml store nodes.yaml empty
expect 3 '' '^symwave: cannot store large: it is larger' --nodes nodes.yaml store large
expect 3 '' '^symwave: cannot store folder: it is a folder' --nodes nodes.yaml store folder

# Nodes that nobody runs: ports 1 to 3 refuse.
expect 1 'node-0000 +127.0.0.1:1 +no .*node-0002' '^symwave: 3 of 3 nodes could not be reached' --nodes nodes.yaml nodes
expect 1 '"reached":false.*"reached":false.*"reached":false' '^symwave: 3 of 3' --json --nodes nodes.yaml nodes
expect 1 '^fetched 0 of 1 ' '^symwave: none of the 3 nodes asked could be reached' \
    --nodes nodes.yaml fetch --keys keys --out o
expect 1 '"status":"short".*"error":' '^symwave: none of the 3 nodes asked could be reached' \
    --nodes nodes.yaml fetch --keys keys --out o --json

# A first signal ends the work in an orderly way, even while names are awaited on standard input.
mkfifo names
exec 3<>names
"$symwave" --nodes nodes.yaml store - <names >out 2>err &
pid=$!
for ((tries = 0; tries < 200; tries++)); do
    [ -e /proc/$pid ] || break
    [ "$(cat /proc/$pid/comm)" = symwave ] && grep -q '^SigBlk:.*[1-9a-f]' /proc/$pid/status && break
    sleep 0.05
done
kill -TERM $pid
wait $pid
status=$?
[ $status = 1 ] || complain "exit status $status instead of 1" store - and SIGTERM
match err 'stored 0 of 0 symbols.*symwave: cancelled' store - and SIGTERM
exec 3>&-

[ $failures = 0 ] || { echo "$failures failures" >&2; exit 1; }
echo "all as expected"
