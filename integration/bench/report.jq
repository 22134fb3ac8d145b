# Lines that rows wrote down become one document: per thing its figures' medians and ranges, and the ratios.
def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

def holds($bound):
    if $bound == "" then null
    else ($bound | split(" ")) as [$sign, $limit] | ($limit | tonumber) as $limit
        | if $sign == ">=" then . >= $limit else . <= $limit end
    end;

[inputs] as $lines
| [$lines[] | select(.figures)] as $samples
| ($samples | group_by([.row, .case, .what]) | map({
    row: .[0].row, case: .[0].case, what: .[0].what, rounds: length,
    figures: (map(.figures | to_entries) | add | group_by(.key)
        | map({(.[0].key): (map(.value) | {median: median, min: min, max: max, values: .})}) | add)})) as $things
| def thing($row; $case; $what): first($things[] | select(.row == $row and .case == $case and .what == $what));
{
    machine: $machine, versions: $versions, date: $date, command: $command,
    commands: [$lines[] | select(.command)],
    measured: [$lines[] | select(.figures) | {row, case, what}] | unique_by([.row, .case, .what])
        | map(thing(.row; .case; .what)),
    ratios: [$lines[] | select(.beside or .bound) | . as $line
        | (try thing(.row; .case; .what).figures[.figure].median catch null) as $of
        | (if .beside then (try thing($line.row; .beside.case; .beside.what).figures[$line.figure].median catch null)
           else 1 end) as $by
        | select($of and $by)
        | . + {value: $of, by: (if .beside then $by else null end), ratio: ($of / $by)}
        | . + {holds: (.bound as $bound | .ratio | holds($bound))}]
}
