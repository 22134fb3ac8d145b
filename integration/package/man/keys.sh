#!/usr/bin/env bash
# Fills @KEYS@ of a page with the keys that a symwaved knows: keys.sh SYMWAVED PAGE.in >PAGE
set -euo pipefail
keys=$("$1" --data d --node-id n --listen 127.0.0.1:1 --print-config | awk '
    function roff(text) { gsub(/\\/, "\\\\", text); gsub(/-/, "\\-", text); return text }
    /^# ---- / { sub(/[;:,].*/, "", $0); print ".SH \"" toupper(roff(substr($0, 8))) "\""; text = ""; next }
    /^# SIGHUP takes/ || /^# A change takes/ { text = text ". " substr($0, 3); next }
    /^# / { text = text (text == "" ? "" : " ") substr($0, 3); next }
    /^#?[a-z-]+:/ {
        name = $0; sub(/^#/, "", name); sub(/:.*/, "", name)
        print ".TP\n.B " roff(name) "\n" roff(text); text = ""
    }
    /^$/ { text = "" }' | sed "s/^\./\\\\\&./; s/^\\\\&\.\(SH\|TP\|B\)/.\1/")
while IFS= read -r line; do
    if [[ $line == @KEYS@ ]]; then printf '%s\n' "$keys"; else printf '%s\n' "$line"; fi
done <"$2"
