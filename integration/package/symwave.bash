# bash completion for symwave and symwaved.

_symwave_options() {
    # Long options as --help lists them; those that take a value end with "=".
    "$@" --help 2>/dev/null | sed -nE 's/^ +(-., )?(--[a-z][a-z-]*=?).*/\2/p' | sort -u
}

_symwave() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command=
    local commands="put get encode decode store fetch route nodes discover key"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ " $commands " == *" $word "* ]] && { command=$word; break; }
    done
    COMPREPLY=()
    [[ $previous == "=" ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
    --nodes | -n | --layout | -l | --out | -o | --keys | -k | --tls-ca | --tls-certificate | --tls-key | --token-file | --trace)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${current#=}")
        return
        ;;
    esac
    if [[ $current == -* ]]; then
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$(_symwave_options symwave $command)" -- "$current")
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} != *= ]] && COMPREPLY[0]+=" "
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

_symwaved() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=
    local commands="stats scrub backup restore export import delete compact"
    ((COMP_CWORD > 1)) && [[ " $commands " == *" ${COMP_WORDS[1]} "* ]] && command=${COMP_WORDS[1]}
    COMPREPLY=()
    [[ $previous == "=" ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "${current#=}")
        ;;
    --log-format)
        mapfile -t COMPREPLY < <(compgen -W "logfmt json" -- "${current#=}")
        ;;
    --data | --config | --tls-certificate | --tls-key | --tls-client-ca | --*-tokens)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${current#=}")
        ;;
    *)
        if [[ $COMP_CWORD == 1 && $current != -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
        elif [[ $command && $current != -* ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        else
            compopt -o nospace 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "$(_symwave_options symwaved $command)" -- "$current")
            [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} != *= ]] && COMPREPLY[0]+=" "
        fi
        ;;
    esac
}

complete -F _symwave symwave
complete -F _symwaved symwaved
