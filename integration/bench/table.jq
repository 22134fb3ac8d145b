# The document of report.jq as tables for people.
def pad($n): tostring | if length < $n then . + (" " * ($n - length)) else . end;
def lead($n): tostring | if length < $n then (" " * ($n - length)) + . else . end;
def digits: if . >= 100 then round elif . >= 10 then . * 10 | round / 10 else . * 1000 | round / 1000 end;
def names($n): gsub("_per_"; "/") | gsub("_"; " ");

"machine    \(.machine)",
"versions   \(.versions)",
"command    \(.command)",
(.commands[] | "\(.row | pad(10)) \(.what): \(.command)"),
"",
(.measured | group_by(.row)[]
    | "\(.[0].row)",
      (.[] | "  \(.case | pad(26)) \(.what | pad(34)) "
        + ([.figures | to_entries[] | "\(.key | names(0)) \(.value.median | digits) (\(.value.min | digits) to \(.value.max | digits))"]
            | join(", "))),
      ""),
"ratios, median over median",
(.ratios[] | "  \(.row | pad(8)) \(.case | pad(24)) \("\(.what): \(.figure | names(0))" | pad(46))"
    + " \(if .beside then "/ \(if .beside.case == .case then "" else .beside.case + ", " end)\(.beside.what)" else "" end | pad(40))"
    + " \(.ratio | digits | lead(8))  \(.bound | pad(9)) \(if .holds == null then "" elif .holds then "holds" else "FALLS SHORT" end)")
