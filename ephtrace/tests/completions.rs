//! What is shipped beside the binary: completions as bash has them, and the sections of manual
//! pages.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

/// The candidates for the last word of `line`, which is cut into words as bash cuts it; names of
/// network namespaces are those in `namespaces`.
fn candidates(line: &[&str], namespaces: &str) -> Vec<String> {
    let script = fs::read_to_string(assets().join("completions/ephtrace.bash")).unwrap();
    let script = script.replace("/run/netns", namespaces);
    let run = r#"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _ephtrace_values ephtrace "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &(script + run), "bash"]).args(line).stdin(Stdio::null());
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_list_goes_on_with_what_is_not_in_it() {
    let origins = |typed| candidates(&["ephtrace", "--origin", typed], "/none");
    assert_eq!(origins("bind,u"), ["bind,udp"]);
    assert_eq!(origins("u"), ["udp"]);
    assert_eq!(origins("udp,u"), [""; 0]);
    assert!(origins("udp,").contains(&"udp,connect".to_owned()));
    assert!(!origins("udp,").contains(&"udp,udp".to_owned()));
    // As bash cuts `--origin=bind,u`.
    assert_eq!(candidates(&["ephtrace", "top", "--origin", "=", "bind,u"], "/none"), ["bind,udp"]);
    assert!(candidates(&["ephtrace", "--origin", "="], "/none").contains(&"explicit".to_owned()));
}

#[test]
fn namespaces_users_and_programs_are_those_of_the_machine() {
    let folder = std::env::temp_dir().join(format!("ephtrace-netns-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for name in ["blue", "green"] {
        fs::write(folder.join(name), "").unwrap();
    }
    let netns = |line: &[&str]| candidates(line, folder.to_str().unwrap());
    assert_eq!(netns(&["ephtrace", "--netns", ""]), ["blue", "green"]);
    assert_eq!(netns(&["ephtrace", "ports", "--netns", "blue,"]), ["blue,green", "blue,all"]);
    fs::remove_dir_all(&folder).unwrap();

    assert!(netns(&["ephtrace", "-u", "ro"]).contains(&"root".to_owned()));
    assert!(netns(&["ephtrace", "storm", "--uid", "0,ro"]).contains(&"0,root".to_owned()));
    assert!(netns(&["ephtrace", "--user", "ro"]).contains(&"root".to_owned()));

    let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
    let [short, long] = ["-c", "--comm"].map(|option| netns(&["ephtrace", option, "sl"]));
    let pids = netns(&["ephtrace", "-p", &sleep.id().to_string()]);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert!(short.contains(&"sleep".to_owned()), "{short:?}");
    assert_eq!(short, long);
    assert!(pids.contains(&sleep.id().to_string()), "{pids:?}");
}

#[test]
fn all_else_is_completed_as_the_command_line_is_defined() {
    assert_eq!(candidates(&["ephtrace", "repo"], "/none"), ["report"]);
    assert!(candidates(&["ephtrace", "report", "--ht"], "/none").contains(&"--html".to_owned()));
    assert_eq!(candidates(&["ephtrace", "--hook", "f"], "/none"), ["fentry"]);
}

#[test]
fn manual_pages_have_the_sections_of_a_tool_of_the_administrator() {
    let mut names = Vec::new();
    for entry in fs::read_dir(assets().join("man")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let page = fs::read_to_string(&path).unwrap();
        assert!(name.ends_with(".8"), "{name}");
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES"] {
            let quoted = format!(".SH \"{section}\"");
            let is_there = page.contains(&format!(".SH {section}\n")) || page.contains(&quoted);
            assert!(is_there, "{name} has no {section}");
        }
        assert!(!page.contains("(1)"), "{name} names a page of section 1");
        names.push(name);
    }
    for (name, section) in
        [("ephtrace.8", "COLUMNS"), ("ephtrace-top.8", "KEYS"), ("ephtrace-trace.8", "FILES")]
    {
        let page = fs::read_to_string(assets().join("man").join(name)).unwrap();
        assert!(page.contains(&format!(".SH {section}\n")), "{name} has no {section}");
    }
    assert_eq!(names.len(), 13);
}
