//! How a process is called in sentences.

/// `curl (4711) in 4f3a9c1be2d7`, as far as it is known; `None` if nothing is known but the
/// container.
pub fn process_name(
    comm: Option<&str>,
    pid: Option<u32>,
    container: Option<&str>,
) -> Option<String> {
    let process = match (comm, pid) {
        (Some(comm), Some(pid)) => format!("{comm} ({pid})"),
        (Some(comm), None) => comm.to_owned(),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => return None,
    };
    Some(in_container(process, container))
}

/// The same of one that has a name already.
pub fn in_container(process: String, container: Option<&str>) -> String {
    match container {
        Some(container) => format!("{process} in {container}"),
        None => process,
    }
}
