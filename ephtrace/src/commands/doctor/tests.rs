//! The text for people, from made-up results.

use insta::assert_snapshot;

use super::*;

fn origin(origin: &'static str, seen: Option<bool>, reason: Option<&str>) -> OriginReport {
    OriginReport { origin, seen, reason: reason.map(str::to_owned) }
}

fn hook(hook: &'static str, available: Option<bool>, reason: Option<&str>) -> HookReport {
    HookReport {
        hook,
        available,
        reason: reason.map(str::to_owned),
        origins: vec![origin("connect", available, None)],
        attaches: "a function".into(),
        needs: "BTF",
        gives: "everything".to_owned(),
        tests: None,
        verifier_log: None,
    }
}

fn report(hooks: Vec<HookReport>, auto: Option<&'static str>) -> Report {
    Report {
        version: "1.2.3",
        kernel: "6.12.0".to_owned(),
        root: true,
        missing_rights: Vec::new(),
        rights: Vec::new(),
        lockdown: None,
        lockdown_known: true,
        btf: Some("/sys/kernel/btf/vmlinux".to_owned()),
        btf_problem: None,
        cgroup2: Some("/sys/fs/cgroup".to_owned()),
        port_selection: None,
        processes_hidden_by: None,
        kernel_memory: KernelMemory {
            possible_processors: 2,
            trace_bytes: 14 << 20,
            totals_bytes: 16 << 20,
        },
        hooks,
        auto,
    }
}

fn text(report: &Report, verbose: bool) -> String {
    let mut out = Vec::new();
    report.write_text(&mut out, verbose).unwrap();
    String::from_utf8(out).unwrap()
}

/// Returns a hook that is refused, and one that sees a part.
fn usual() -> Report {
    let mut refused = hook("fentry", Some(false), Some("the kernel refuses it"));
    refused.verifier_log = Some("0: R1=ctx()".to_owned());
    let mut works = hook("sock_ops", Some(true), None);
    works.origins = vec![
        origin("connect", Some(true), None),
        origin("bind", Some(true), Some("failures are not seen")),
        origin("ping", Some(false), Some("no program sees ping sockets")),
    ];
    report(vec![refused, works], Some("sock_ops"))
}

#[test]
fn what_works_and_what_does_not() {
    assert_snapshot!(text(&usual(), false), @"
    ephtrace 1.2.3 on Linux 6.12.0

    rights     all (root)
    lockdown   off
    BTF        /sys/kernel/btf/vmlinux
    cgroup v2  /sys/fs/cgroup
    owners     all processes are visible
    memory     up to 14.0 MiB of kernel memory for `trace`, 16.0 MiB for `storm`

    HOOK       WORKS    ATTACHES
    fentry     no       a function
                        gives: everything
                        why: the kernel refuses it
    sock_ops   yes      a function
                        sees: connect, bind
                        does not see: ping
                        in part: bind: failures are not seen
                        gives: everything
                        needs: BTF

    `ephtrace` uses the hook sock_ops.
    ");
}

#[test]
fn the_verifier_s_words_are_told_on_request() {
    let (brief, long) = (text(&usual(), false), text(&usual(), true));
    assert!(!brief.contains("R1=ctx()"));
    assert_eq!(long.replace("0: R1=ctx()\n", ""), brief);
}

#[test]
fn without_rights_nothing_is_sure() {
    let mut report = report(vec![hook("fentry", None, Some("this process lacks CAP_BPF"))], None);
    report.root = false;
    report.missing_rights = vec!["CAP_BPF", "CAP_PERFMON"];
    report.lockdown_known = false;
    assert!(!report.can_trace());
    assert_snapshot!(text(&report, false), @"
    ephtrace 1.2.3 on Linux 6.12.0

    rights     CAP_BPF, CAP_PERFMON missing; run `sudo ephtrace`
    lockdown   unknown (/sys/kernel/security/lockdown can't be read)
    BTF        /sys/kernel/btf/vmlinux
    cgroup v2  /sys/fs/cgroup
    owners     all processes are visible
    memory     up to 14.0 MiB of kernel memory for `trace`, 16.0 MiB for `storm`

    HOOK       WORKS    ATTACHES
    fentry     unknown  a function
                        sees: connect
                        gives: everything
                        why: this process lacks CAP_BPF

    Run `sudo ephtrace doctor` to test the hooks.
    ");
}

#[test]
fn nothing_works() {
    let mut report = report(vec![hook("fentry", Some(false), Some("no BTF"))], None);
    report.lockdown = Some("confidentiality".to_owned());
    (report.btf, report.btf_problem) = (None, Some("no such file".to_owned()));
    report.cgroup2 = None;
    assert!(!report.can_trace());
    assert_snapshot!(text(&report, false), @"
    ephtrace 1.2.3 on Linux 6.12.0

    rights     all (root)
    lockdown   confidentiality
    BTF        no such file
    cgroup v2  not mounted here
    owners     all processes are visible
    memory     up to 14.0 MiB of kernel memory for `trace`, 16.0 MiB for `storm`

    HOOK       WORKS    ATTACHES
    fentry     no       a function
                        gives: everything
                        why: no BTF

    ephtrace can't trace here.
    ");
}

#[test]
fn capabilities_do_as_well_as_root() {
    let mut report = usual();
    report.root = false;
    assert!(text(&report, false).contains("rights     all (by capabilities)\n"));
}
