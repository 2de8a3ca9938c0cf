
# Values that no definition of a command line knows: what is there on this machine.

function __fish_ephtrace_programs
    set -l files (grep -ls . /proc/*/cmdline 2>/dev/null | string replace -r 'cmdline$' comm)
    cat $files 2>/dev/null | sort -u
end

function __fish_ephtrace_namespaces
    path basename /run/netns/* 2>/dev/null
    if contains -- ports (commandline -opc); or contains -- check (commandline -opc)
        echo all
    end
end

function __fish_ephtrace_services
    string match -rg '^([a-z][^\s#]*)' </etc/services 2>/dev/null
end

function __fish_ephtrace_origins
    string join \n @ORIGINS@
end
