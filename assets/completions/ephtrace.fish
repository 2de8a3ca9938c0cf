# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ephtrace_global_optspecs
    string join \n from= p/pid= u/uid= c/comm= P/port= L/lport= dst= src= netns= cgroup= container= pod= namespace= unit= 4/ipv4 6/ipv6 origin= x/failed min-latency= t/timestamp T/time U/print-uid w/wide o/format= raw plot= output= mode= count= duration= hook= btf= no-kernel-cost user= ring-size= max-memory= v/verbose color= q/quiet h/help V/version
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

complete -c ephtrace -n "__fish_ephtrace_needs_command" -l from -d 'Read this recording, capture or log instead of tracing (- is standard input). Several files are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s o -l format -d 'Format of the events' -r -f -a "text\t'A table'
json\t'One JSON object per line'
csv\t'Comma-separated values with a header'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l plot -d 'Plot the ports in the summary: on a terminal with UTF-8 (auto), always, or never; --plot alone means always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l output -d 'Write the events to this file instead of standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l mode -d 'Permissions of the output file if it is new, such as 640; by default, only its owner may read and write it' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l count -d 'Stop after N events' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l duration -d 'Stop after this time: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s t -l timestamp -d 'Show the column TIME(s), seconds since ephtrace began to trace, or since the first row of a recording (default, unless -T)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s T -l time -d 'Show the column TIME, wall clock; add -t for both'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s U -l print-uid -d 'Show the column UID'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s w -l wide -d 'Show all columns, with room for long IPv6 addresses, even on a narrow terminal'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l raw -d 'Write CSV text unchanged; by default, control characters are escaped, and an apostrophe precedes text that a spreadsheet would take for a formula'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -s V -l version -d 'Print version'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "trace" -d 'Stream every assignment as it happens (what ephtrace does without a command)'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "storm" -d 'Count assignments, failures and search cost of each process, in the kernel, and name the cause of a storm'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "check" -d 'Report in one line whether ports are running short, in Nagios plugin format'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "whatif" -d 'Calculate how many connections a range, a NAT or more addresses can sustain; needs no root'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "top" -d 'Show a live full-screen view: ports, destinations, processes, failures'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "doctor" -d 'Check what this kernel and user allow ephtrace to do, and how to allow more'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "ports" -d 'Show the ports in use now by destination, state and process, and how full the range is'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "explain" -d 'Tell whether a port is free now for a destination, a connection or bind(), and if not, why, and who has it'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "record" -d 'Record assignments into a Parquet file, for `report`, DuckDB, Polars and Spark'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "report" -d 'Analyse a recording: how ports are assigned, what failed, what is missing; needs no root'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "serve" -d 'Serve metrics for Prometheus continuously: assignments, failures, use of the ports, findings'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "schema" -d 'Print the JSON Schema (draft 2020-12) of ephtrace\'s JSON output'
complete -c ephtrace -n "__fish_ephtrace_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l from -d 'Read this recording, capture or log instead of tracing (- is standard input). Several files are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s o -l format -d 'Format of the events' -r -f -a "text\t'A table'
json\t'One JSON object per line'
csv\t'Comma-separated values with a header'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l plot -d 'Plot the ports in the summary: on a terminal with UTF-8 (auto), always, or never; --plot alone means always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l output -d 'Write the events to this file instead of standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l mode -d 'Permissions of the output file if it is new, such as 640; by default, only its owner may read and write it' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l count -d 'Stop after N events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l duration -d 'Stop after this time: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s t -l timestamp -d 'Show the column TIME(s), seconds since ephtrace began to trace, or since the first row of a recording (default, unless -T)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s T -l time -d 'Show the column TIME, wall clock; add -t for both'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s U -l print-uid -d 'Show the column UID'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s w -l wide -d 'Show all columns, with room for long IPv6 addresses, even on a narrow terminal'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l raw -d 'Write CSV text unchanged; by default, control characters are escaped, and an apostrophe precedes text that a spreadsheet would take for a formula'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l duration -d 'Stop after this time: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s n -l limit -d 'Number of rows to show; 0 shows all' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l by -d 'Unit that each row stands for' -r -f -a "process\t'Processes of one name in one container'
container\t'A container'
pod\t'A pod of Kubernetes'
unit\t'A systemd unit'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l rows -d 'Number of rows that the kernel keeps per report' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l json -d 'Print one JSON object per report, with all rows, instead of tables'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s w -l wide -d 'Show all columns and whole lines, even on a narrow terminal'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand storm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l use -d 'Ports in use for the fullest destination, as a percentage of the usable ports' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l failures -d 'Failed attempts to get a port, as a percentage of the attempts of the same program for the same destination; 0 warns of any failure' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l p99 -d '99th percentile of the port search latency' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l for -d 'How long to count attempts' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l netns -d 'Check these network namespaces instead of ephtrace\'s own: inode number, path, name in `ip netns`, or all' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l no-trace -d 'Check only the ports in use, without counting attempts'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l json -d 'Print one JSON object instead of a line'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l range -d 'The range, such as 10240-65535; by default, the range of this network namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l reserved -d 'Number of reserved ports in the range; by default, as many as here' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l sources -d 'Number of source addresses that connects use' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l destinations -d 'Number of destinations (address and port) that connects use' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l rate -d 'Requests per second to sustain' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l requests -d 'Requests per connection; 1 without keep-alive' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l lifetime -d 'How long a connection lives: 0.2 (seconds), 200ms, 1h30m' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l closes-first -d 'Share of the connections that this side closes first, from 0 to 1; these keep their port for another 60 seconds (TIME_WAIT)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l tw-reuse-delay -d 'Value of net.ipv4.tcp_tw_reuse_delay (Linux 6.14 and later): a time such as 500ms or 2s; a bare number is milliseconds, as in the sysctl' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l nat -d 'A NAT in the path: aws, azure-nat, azure-lb, gcp, or the NAT\'s number of ports per destination and address' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l nat-addresses -d 'Number of addresses that the NAT translates to' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l tw-reuse -d 'Assume net.ipv4.tcp_tw_reuse=1: connect can reuse ports in TIME_WAIT after a second'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -l json -d 'Print one JSON object instead of text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand whatif" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l from -d 'Play this recording instead of tracing; - is standard input. Several files are merged by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l speed -d 'Play the recording N times as fast as it happened; 0 is as fast as possible' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l count -d 'Stop after N events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l duration -d 'Stop after this time: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l json -d 'Print one JSON object instead of a table'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -l probe -d 'Make a test search with each working hook, and report whether the hook saw it'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l netns -d 'Show these network namespaces instead of ephtrace\'s own: inode number, path, name in `ip netns`, or all' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l by -d 'Unit that counts as one holder of ports' -r -f -a "process\t'Processes of one name in one container'
container\t'A container'
pod\t'A pod of Kubernetes'
unit\t'A systemd unit'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l limit -d 'List at most N destinations per namespace; the others are summed up' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l from -d 'Use this recording (`ephtrace -o json`) to tell who opened connections; - is standard input' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -l json -d 'Print one JSON object instead of text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s w -l wide -d 'Show all columns and whole lines, even on a narrow terminal'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand ports" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l netns -d 'Use this network namespace instead of ephtrace\'s own: inode number, path, or name in `ip netns`; `all` too, if WHAT is an error' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l from -d 'Use this recording (`ephtrace -o json`) to tell who opened connections, and how; - is standard input. To prove that a socket was not bound before it connected, the recording must cover all processes, with `--origin connect,bind,listen,udp,explicit`' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l probe -d 'Ask the kernel with a test socket, which is closed at once'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -l json -d 'Print one JSON object instead of text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand explain" -s h -l help -d 'Print help'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l rotate -d 'Start a new file at this size (256M, 2G) or after this time (10m, 1h). Each file has a number before its extension, such as ports-000001.parquet; existing files are not overwritten' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l mode -d 'Permissions of new files, such as 640; by default, only their owner may read and write them' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l from -d 'Convert this recording, capture or log instead of tracing; needs no root. Repeat --from to merge several files by time' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l count -d 'Stop after N events' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l duration -d 'Stop after this time: 10 (seconds), 90s, 1h30m, 1d' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l repair -d 'Restore the footer of FILE from FILE.journal after ephtrace was killed while replacing it'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l from -d 'The same as FILE, as in other commands' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l compare -d 'Did the fix work? Compare two recordings: failures, port search latency, verdicts, fullest destinations, resolved and new findings' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l html -d 'Write an HTML page with charts to this file instead of text; - is standard output' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l mode -d 'Permissions of that page if it is new, such as 644; by default, only its owner may read and write it' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l plot -d 'Draw the ports above the text: on a terminal with UTF-8 (auto), always, or never; --plot alone means always' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l max-memory -d 'Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that need more are skipped and reported' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -l json -d 'Print one JSON object instead of text'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s w -l wide -d 'Show all columns and whole lines, even on a narrow terminal'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l web.listen-address -d 'Listen here: address:port, or unix:/path; may be repeated. Sockets passed by systemd replace these' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l textfile -d 'Also write the metrics to this file, replaced as a whole, for node_exporter\'s textfile collector' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l interval -d 'Time between two readings of counts and sockets: seconds, or a time such as 10s' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l top-destinations -d 'Number of the busiest destinations that get series of their own, with address and port; all others are one series, `other`' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l incidents -d 'Flight recorder: keep the last assignments in memory, and write them to a folder in this directory, with a page and an explanation, when a finding turns critical, and on SIGUSR1' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l keep -d 'How much time the flight recorder keeps: seconds, or a time such as 60s; at most 65,536 assignments' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l incidents-per-day -d 'Maximum number of incidents that findings trigger within 24 hours' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l incidents-size -d 'Maximum size of all incidents: the oldest ones are removed' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l config -d 'Read options from this TOML file, each under its long name; those of the command line win' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s p -l pid -d 'Only these processes' -x -a '(__fish_complete_list , __fish_complete_pids)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s u -l uid -d 'Only processes of these users (number or name)' -x -a '(__fish_complete_list , __fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s c -l comm -d 'Only processes of these names (as in /proc/PID/comm, at most 15 bytes)' -x -a '(__fish_complete_list , __fish_ephtrace_programs)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s P -l port -d 'Only these destination ports: numbers, ranges, or services from /etc/services, such as https,8000-8100' -x -a '(__fish_complete_list , __fish_ephtrace_services)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s L -l lport -d 'Only these assigned ports, such as 40000-40999' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l dst -d 'Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l src -d 'Only sources in these networks' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l netns -d 'Only these network namespaces: inode number, path, or name in `ip netns`' -x -a '(__fish_complete_list , __fish_ephtrace_namespaces)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l cgroup -d 'Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2 mount' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l container -d 'Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix of the id, or its name' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l pod -d 'Only tasks in this pod' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l namespace -d 'Only tasks in pods of this Kubernetes namespace' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l unit -d 'Only tasks in this systemd unit, such as nginx.service or nginx' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l origin -d 'Only assignments from this kind of call' -x -a '(__fish_complete_list , __fish_ephtrace_origins)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l min-latency -d 'Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l hook -d 'Kernel hook to use; `ephtrace doctor` shows which work here' -r -f -a "auto\t'The first of the hooks below that works here'
fentry\t'fentry and fexit on the port search; needs BTF'
kprobe\t'kprobe and kretprobe on the port search'
sock_ops\t'Tracepoint and sock_ops program; does not show the candidates tried'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l btf -d 'Read the kernel\'s types from this BTF file instead of /sys/kernel/btf/vmlinux' -r -F
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l user -d 'Switch to this user (name or number), keeping only the capabilities that tracing needs; new files belong to that user' -x -a '(__fish_complete_users)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l ring-size -d 'Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M' -r
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l print-config -d 'Print the options in force as TOML, and exit'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s 4 -l ipv4 -d 'Only IPv4'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s 6 -l ipv6 -d 'Only IPv6'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s x -l failed -d 'Only failed assignments: the kernel assigned no port'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -l no-kernel-cost -d 'Do not measure the cost of ephtrace\'s BPF programs: measuring makes the kernel patch its code every ten seconds, which briefly interrupts all CPUs'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -l color -d 'Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always, or never' -r -f -a "auto\t'On a terminal'
always\t'Into pipes and files, too'
never\t'Not at all'"
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s v -l verbose -d 'Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log even more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s q -l quiet -d 'Write only errors and losses to standard error: no notices, no summary'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "trace" -d 'Stream every assignment as it happens (what ephtrace does without a command)'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "storm" -d 'Count assignments, failures and search cost of each process, in the kernel, and name the cause of a storm'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "check" -d 'Report in one line whether ports are running short, in Nagios plugin format'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "whatif" -d 'Calculate how many connections a range, a NAT or more addresses can sustain; needs no root'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "top" -d 'Show a live full-screen view: ports, destinations, processes, failures'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "doctor" -d 'Check what this kernel and user allow ephtrace to do, and how to allow more'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "ports" -d 'Show the ports in use now by destination, state and process, and how full the range is'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "explain" -d 'Tell whether a port is free now for a destination, a connection or bind(), and if not, why, and who has it'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "record" -d 'Record assignments into a Parquet file, for `report`, DuckDB, Polars and Spark'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "report" -d 'Analyse a recording: how ports are assigned, what failed, what is missing; needs no root'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "serve" -d 'Serve metrics for Prometheus continuously: assignments, failures, use of the ports, findings'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "schema" -d 'Print the JSON Schema (draft 2020-12) of ephtrace\'s JSON output'
complete -c ephtrace -n "__fish_ephtrace_using_subcommand help; and not __fish_seen_subcommand_from trace storm check whatif top doctor ports explain record report serve schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

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
    string join \n connect bind listen udp ping sctp explicit nat
end
