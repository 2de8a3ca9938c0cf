//! Names of processes in sentences.

/// Returns `curl (4711) in 4f3a9c1be2d7`, as far as it is known; `None` if nothing but the
/// container is known.
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

/// Appends the container to the name of a process.
pub fn in_container(process: String, container: Option<&str>) -> String {
    match container {
        Some(container) => format!("{process} in {container}"),
        None => process,
    }
}
