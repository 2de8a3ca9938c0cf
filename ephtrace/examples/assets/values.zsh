# Values that no definition of a command line knows: what is there on this machine, and lists.

_ephtrace_programs() {
    local file name
    local -aU names
    for file in $(grep -ls . /proc/[0-9]*/cmdline 2>/dev/null); do
        { IFS= read -r name < ${file%cmdline}comm } 2>/dev/null && names+=($name)
    done
    _wanted programs expl 'running program' compadd "$@" -a names
}

_ephtrace_namespaces() {
    local -a names
    names=(/run/netns/*(N:t))
    (( ${words[(I)(ports|check)]} )) && names+=(all)
    _wanted namespaces expl 'network namespace' compadd "$@" -a names
}

_ephtrace_origin() {
    local -a names
    names=(@ORIGINS@)
    _wanted origins expl 'origin' compadd "$@" -a names
}

# A list with commas; -s would be ours to pass on.
_ephtrace_list_programs() { _sequence _ephtrace_programs }
_ephtrace_list_namespaces() { _sequence _ephtrace_namespaces }
_ephtrace_list_origins() { _sequence _ephtrace_origin }
_ephtrace_list_users() { _sequence _users }
_ephtrace_list_pids() { _sequence _pids }
_ephtrace_list_ports() { _sequence _ports }

