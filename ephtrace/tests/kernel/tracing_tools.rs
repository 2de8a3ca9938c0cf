//! One run of a program with known ports, traced by tools of libbpf-tools: ephtrace reads the same
//! assignments from their text, and gives the same verdict as for its own recording.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    formats::{end, storm, told_as_it_was, truth},
    setup::Scratch,
    skip::skip,
    tracer::Tracer,
    wait,
};

tests! {
    first_hook: tracing_tools_tell_the_same;
}

/// The tools with a column for the source port: without times, and with times.
const FORMS: [(&str, &[&str]); 4] = [
    ("tcpconnect", &["-s"]),
    ("tcpconnect", &["-s", "-t", "-U"]),
    ("tcptracer", &[]),
    ("tcptracer", &["-t", "-U"]),
];

fn tracing_tools_tell_the_same(hook: &str) -> Result<()> {
    let Some(folder) = env::var_os("EPHTRACE_TRACING_TOOLS").map(PathBuf::from) else {
        return skip("tcpconnect and tcptracer of libbpf-tools: none here");
    };
    let scratch = Scratch::new()?;
    let file = |name: &str| scratch.path().join(name);
    let mut tools = Vec::new();
    for (at, (name, args)) in FORMS.into_iter().enumerate() {
        let path = file(&format!("{name}-{at}.txt"));
        tools.push((start(&folder.join(name), args, &path)?, path));
    }
    let own = file("own.ndjson");
    let own_path = own.display().to_string();
    let tracer = Tracer::start(&scratch, hook, &["-c", "assign", "--output", &own_path])?;
    storm(&file("truth"))?;
    tracer.stop_text()?;
    for (tool, _) in &mut tools {
        ensure!(tool.try_wait()?.is_none(), "a tool has ended by itself");
    }
    let mut paths = vec![own];
    for (tool, path) in tools {
        end(tool)?;
        paths.push(path);
    }
    let truth = truth(&scratch)?;
    for path in &paths {
        told_as_it_was(path, &truth)?;
    }
    Ok(())
}

/// Starts a tool, and connects until its text arrives: it does not say when it is attached, and
/// writes whole blocks.
fn start(program: &Path, args: &[&str], output: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(File::create(output)?);
    let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    wait::until("a tool writes", || {
        ensure!(child.try_wait()?.is_none(), "{} has ended", program.display());
        drop((TcpStream::connect(address)?, listener.accept()?));
        Ok((fs::metadata(output)?.len() > 0).then_some(()))
    })?;
    Ok(child)
}
