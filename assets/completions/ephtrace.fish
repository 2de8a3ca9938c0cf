# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ephtrace_global_optspecs
    string join \n from= p/pid= u/uid= c/comm= P/port= L/lport= dst= src= netns= cgroup= container= 4/ipv4 6/ipv6 origin= x/failed min-latency= t/timestamp T/time U/print-uid w/wide o/format= raw plot= output= mode= count= duration= hook= btf= no-kernel-cost user= ring-size= max-memory= v/verbose color= q/quiet h/help V/version
end

function __fish_ephtrace_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ephtrace_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_ephtrace_global_optspecs) -- $cmd[1..-2] 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ephtrace_using_subcommand
    set -l cmd (__fish_ephtrace_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ephtrace -n "__fish_ephtrace_needs_command" -l from -d 'Read this recording, capture or log (- is standard input) in place of the kernel. Several are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s o -l format -d 'Format of the events' -r -f -a "text\t'A table, for people'
json\t'One JSON object a line'
csv\t'Comma-separated values with a header'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l plot -d 'Draw the ports with the summary: on a terminal with UTF-8 (auto), always, or never; --plot alone is always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l output -d 'Write the events to this file, not to standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l mode -d 'Who may read and write that file if it is new, such as 640; without, its owner alone' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l count -d 'Stop after so many events' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l duration -d 'Stop after so long: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s t -l timestamp -d 'Column TIME(s), seconds since the start (default, unless -T)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s T -l time -d 'Column TIME, wall clock; together with -t both'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s U -l print-uid -d 'Column UID'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s w -l wide -d 'All columns, and room for long IPv6 addresses, however narrow the terminal is'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l raw -d 'CSV: text as it is; else control characters are escaped, and an apostrophe stands before what a spreadsheet would take for a formula'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s V -l version -d 'Print version'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "trace" -d 'Stream every assignment as it happens (what ephtrace does without a command)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "storm" -d 'Count in the kernel who connects where, what fails and what it costs; name the cause'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "check" -d 'Say in one line whether ports run short, with the exit codes of monitoring plugins'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "whatif" -d 'Work out how many connections a range, a NAT or more addresses can carry; needs no root'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "top" -d 'Show what happens now, on a whole terminal: ports, destinations, processes, failures'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "doctor" -d 'Say what this kernel and user allow, and what would change it'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "ports" -d 'Say what is in use now: by destination, state and process, and how near the range is to its end'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "explain" -d 'Answer one question: is a destination, a connection or a port free now, who has it, and why'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "record" -d 'Record into a Parquet file, for `report`, DuckDB, Polars and Spark'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "report" -d 'Judge a recording: how ports are handed out, what failed, what is missing; needs no root'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "schema" -d 'Print the JSON Schema (draft 2020-12) of what ephtrace writes as JSON'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l from -d 'Read this recording, capture or log (- is standard input) in place of the kernel. Several are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s o -l format -d 'Format of the events' -r -f -a "text\t'A table, for people'
json\t'One JSON object a line'
csv\t'Comma-separated values with a header'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l plot -d 'Draw the ports with the summary: on a terminal with UTF-8 (auto), always, or never; --plot alone is always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l output -d 'Write the events to this file, not to standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l mode -d 'Who may read and write that file if it is new, such as 640; without, its owner alone' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l count -d 'Stop after so many events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l duration -d 'Stop after so long: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s t -l timestamp -d 'Column TIME(s), seconds since the start (default, unless -T)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s T -l time -d 'Column TIME, wall clock; together with -t both'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s U -l print-uid -d 'Column UID'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s w -l wide -d 'All columns, and room for long IPv6 addresses, however narrow the terminal is'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l raw -d 'CSV: text as it is; else control characters are escaped, and an apostrophe stands before what a spreadsheet would take for a formula'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s n -l limit -d 'How many rows to show; 0 for all' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l rows -d 'How many rows the kernel keeps room for in each look' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l json -d 'Print data (one JSON object for each look, with all rows), not tables'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s w -l wide -d 'All columns and whole lines, however narrow the terminal is'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l use -d 'Ports in use for the fullest destination, in percent of those that can be used' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l failures -d 'Assignments that fail, in percent of all; 0 warns of any' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l p99 -d 'Time that 99 of 100 searches for a port stay below' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l for -d 'How long to count assignments' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l netns -d 'These network namespaces, not that of ephtrace: inode number, path, name of `ip netns`, or all' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l no-trace -d 'Look at what is in use only, and count nothing'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l json -d 'Print data (one JSON object), not a line'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l range -d 'The range, such as 10240-65535; without it, that of this network namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l reserved -d 'How many ports of the range are reserved; without it, as many as here' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l sources -d 'How many source addresses connects are spread over' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l destinations -d 'How many destinations (address and port) connects are spread over' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l rate -d 'Requests a second that are to be carried' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l requests -d 'Requests that one connection carries; 1 without keep-alive' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l lifetime -d 'How long a connection lives: 0.2 (seconds), 200ms, 1h30m' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l closes-first -d 'Share of the connections that this side closes first, which then wait for 60 seconds (TIME_WAIT): 0 to 1' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l tw-reuse-delay -d 'net.ipv4.tcp_tw_reuse_delay (Linux 6.14 and later): a time such as 500ms or 2s; a bare number is milliseconds, as the sysctl has it' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l nat -d 'A NAT on the way: aws, azure-nat, azure-lb, gcp, or how many ports it has for one destination and address' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l nat-addresses -d 'How many addresses the NAT translates to' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l tw-reuse -d 'net.ipv4.tcp_tw_reuse=1: ports in TIME_WAIT can be used again after a second'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l json -d 'Print data (one JSON object), not text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l from -d 'Play this recording in place of what the kernel does; - is standard input. Several are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l speed -d 'Play so many times as fast as it happened; 0 is as fast as it goes' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l count -d 'Stop after so many events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l duration -d 'Stop after so long: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l json -d 'Print data (one JSON object), not a table'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l probe -d 'Search for a port with each hook that works, and say whether it saw that'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l netns -d 'These network namespaces, not that of ephtrace: inode number, path, name of `ip netns`, or all' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l limit -d 'List so many destinations of each namespace; the others are summed up' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l from -d 'Tell who opened connections by this recording (`ephtrace -o json`); - is standard input' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l json -d 'Print data (one JSON object), not text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s w -l wide -d 'All columns and whole lines, however narrow the terminal is'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l netns -d 'In this network namespace, not that of ephtrace: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l from -d 'Tell who opened connections, and how, by this recording (`ephtrace -o json`; that a socket was not bound, only one of all processes, with `--origin connect,bind,listen,udp,explicit`); - is standard input' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l probe -d 'Ask the kernel, by a socket of ephtrace\'s own that is closed at once'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l json -d 'Print data (one JSON object), not text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l rotate -d 'Begin a new file at this size (256M, 2G) or after this time (10m, 1h): FILE-000001 and so on, before the extension; none is overwritten' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l mode -d 'Who may read and write new files, such as 640; without, their owner alone' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l from -d 'Convert this recording, capture or log in place of tracing; needs no root. Several, each with --from, are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l count -d 'Stop after so many events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l duration -d 'Stop after so long: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l hook -d 'How to see assignments; `ephtrace doctor` says what works here' -r -f -a "auto\t'The first of the others that works here'
fentry\t'fentry and fexit on the search; needs BTF'
kprobe\t'kprobe and kretprobe on the search'
sock_ops\t'Tracepoint and sock_ops program; tells less'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l btf -d 'Read the kernel\'s types from this BTF file, not from /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l user -d 'Become this user, name or number, with the rights of root that tracing takes and no others; files are made by that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l repair -d 'Put back the end of FILE that was being replaced when ephtrace was killed, from FILE.journal'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l no-kernel-cost -d 'Do not have the kernel measure what ephtrace\'s programs cost: to begin and to end that, every ten seconds, it patches its own code, which stops all processors for a moment'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l from -d 'The same, as other commands take it' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l compare -d 'Did the fix work? Two recordings side by side: failures, search time, verdicts, fullest destinations, findings gone and new' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l html -d 'Write a page with charts to this file, in place of the text; - is standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l mode -d 'Who may read and write that page if it is new, such as 644; without, its owner alone' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l plot -d 'Draw the ports above the text: on a terminal with UTF-8 (auto), always, or never; --plot alone is always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s P -l port -d 'Only these destination ports: numbers, ranges, services of /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l netns -d 'Only these network namespaces: inode number, path, or name of `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l container -d 'Only tasks in this container or in one inside of it: id as `docker ps` shows it, or its beginning; name of LXC or systemd-nspawn' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l origin -d 'Only assignments that came about in this way' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l min-latency -d 'Only where the search took at least so long, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l max-memory -d 'Most memory to take while a recording is read, such as 512M or 2GiB, 256M unless it is given: what would take more is not read, and its place is told' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l json -d 'Print data (one JSON object), not text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s w -l wide -d 'All columns and whole lines, however narrow the terminal is'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s x -l failed -d 'Only failed assignments: the kernel found no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -l color -d 'Colour what failed and how grave it is: on a terminal that has colours, unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s v -l verbose -d 'Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv say yet more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s q -l quiet -d 'Only errors and losses on standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "trace" -d 'Stream every assignment as it happens (what ephtrace does without a command)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "storm" -d 'Count in the kernel who connects where, what fails and what it costs; name the cause'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "check" -d 'Say in one line whether ports run short, with the exit codes of monitoring plugins'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "whatif" -d 'Work out how many connections a range, a NAT or more addresses can carry; needs no root'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "top" -d 'Show what happens now, on a whole terminal: ports, destinations, processes, failures'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "doctor" -d 'Say what this kernel and user allow, and what would change it'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "ports" -d 'Say what is in use now: by destination, state and process, and how near the range is to its end'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "explain" -d 'Answer one question: is a destination, a connection or a port free now, who has it, and why'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "record" -d 'Record into a Parquet file, for `report`, DuckDB, Polars and Spark'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "report" -d 'Judge a recording: how ports are handed out, what failed, what is missing; needs no root'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "schema" -d 'Print the JSON Schema (draft 2020-12) of what ephtrace writes as JSON'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

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
    string join \n connect bind listen udp ping sctp explicit
end
