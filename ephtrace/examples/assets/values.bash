
# Values that no definition of a command line knows: what is there on this machine, and lists.

# Names of the programs that run, without threads of the kernel.
_ephtrace_programs() {
    local file name
    for file in $(grep -ls . /proc/[0-9]*/cmdline 2>/dev/null); do
        { read -r name < "${file%cmdline}comm"; } 2>/dev/null && printf '%s\n' "$name"
    done | sort -u
}

# Network namespaces by name; ports and check know all of them, too.
_ephtrace_namespaces() {
    local place name
    for place in /run/netns/*; do
        name="${place##*/}"
        [[ $name != '*' ]] && printf '%s\n' "$name"
    done
    case " ${COMP_WORDS[*]} " in *" ports "* | *" check "*) printf 'all\n' ;; esac
}

# Those of the lines that follow the last comma of what is typed, without what is listed before.
_ephtrace_list() {
    local typed="$1" before="" word
    [[ $typed == *,* ]] && before="${typed%,*},"
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -z $word || ,$before == *",$word,"* || $word != "${typed##*,}"* ]] && continue
        printf -v word %q "$word"
        COMPREPLY+=("$before$word")
    done
    # Another one may follow.
    compopt -o nospace 2>/dev/null
}

_ephtrace_values() {
    local option="$3" typed="$2"
    # In `--origin=bind` the sign is a word of its own.
    if [[ $typed == '=' ]]; then
        typed=""
    elif [[ $option == '=' ]]; then
        option="${COMP_WORDS[COMP_CWORD - 2]}"
    fi
    case "$option" in
        --origin) _ephtrace_list "$typed" < <(printf '%s\n' @ORIGINS@) ;;
        --netns) _ephtrace_list "$typed" < <(_ephtrace_namespaces) ;;
        -c | --comm) _ephtrace_list "$typed" < <(_ephtrace_programs) ;;
        -u | --uid) _ephtrace_list "$typed" < <(compgen -u) ;;
        -p | --pid) _ephtrace_list "$typed" < <(cd /proc && printf '%s\n' [0-9]*) ;;
        -P | --port) _ephtrace_list "$typed" < <(compgen -s) ;;
        --user) COMPREPLY=($(compgen -u -- "$typed")) ;;
        *) _ephtrace "$@" ;;
    esac
}

complete -F _ephtrace_values -o bashdefault -o default ephtrace
