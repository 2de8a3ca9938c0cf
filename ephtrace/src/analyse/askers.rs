//! The process that asks for a destination's ports, in memory for one process a destination.

use std::sync::Arc;

use crate::model::{Assignment, Comm, who::process_name};

/// The process that asked for most of a destination's ports, if it asked more often than all others
/// together (Boyer–Moore majority vote); else one of the processes.
#[derive(Clone, Debug, Default)]
pub(super) struct Askers {
    one: Option<Asker>,
    votes: u64,
    several: bool,
}

#[derive(Clone, Debug)]
struct Asker {
    pid: Option<u32>,
    comm: Option<Comm>,
    container: Option<Arc<str>>,
}

impl Askers {
    /// Counts the process of one assignment, as far as it is known.
    pub(super) fn observe(&mut self, assignment: &Assignment) {
        let Assignment { pid, comm, .. } = assignment;
        let container = assignment.container_label();
        match &mut self.one {
            // A different name of the same process is the program that it has executed since.
            Some(one) if one.pid == *pid && (pid.is_some() || one.comm == *comm) => {
                one.comm = comm.or(one.comm);
                self.votes += 1;
            }
            Some(_) if self.votes > 0 => {
                self.votes -= 1;
                self.several = true;
            }
            _ if pid.is_none() && comm.is_none() => {}
            one => {
                self.several |= one.is_some();
                *one = Some(Asker { pid: *pid, comm: *comm, container: container.cloned() });
                self.votes = 1;
            }
        }
    }

    /// Returns `curl (4711) in 4f3a9c1be2d7`, or `curl (4711) and others`; `None` if no process is
    /// known.
    pub(super) fn name(&self) -> Option<String> {
        let Asker { pid, comm, container } = self.one.as_ref()?;
        let one = process_name(comm.as_ref().map(Comm::as_str), *pid, container.as_deref())?;
        Some(if self.several { format!("{one} and others") } else { one })
    }

    /// Returns whether the process is known to run in a container.
    pub(super) fn is_in_container(&self) -> bool {
        self.one.as_ref().is_some_and(|one| one.container.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(asked: &[(u32, &str)]) -> Option<String> {
        let mut askers = Askers::default();
        for &(pid, comm) in asked {
            let container = (comm == "pool").then(|| Arc::from("4f3a9c1be2d7"));
            let pid = Some(pid).filter(|&pid| pid != 0);
            let comm = Some(Comm::new(comm)).filter(|comm| !comm.as_str().is_empty());
            askers.observe(&Assignment { pid, comm, container, ..Assignment::default() });
        }
        askers.name()
    }

    #[test]
    fn one_is_named_and_of_several_the_one_with_most() {
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[(0, "")]), None);
        assert_eq!(name(&[(7, "pool"), (7, "pool")]).unwrap(), "pool (7) in 4f3a9c1be2d7");
        assert_eq!(name(&[(7, "")]).unwrap(), "process 7");
        assert_eq!(name(&[(0, "curl"), (0, "curl")]).unwrap(), "curl");
        let mixed = [(1, "a"), (2, "b"), (2, "b"), (3, "c"), (2, "b"), (2, "b")];
        assert_eq!(name(&mixed).unwrap(), "b (2) and others");
    }

    #[test]
    fn a_process_that_executes_another_program_stays_one() {
        assert_eq!(name(&[(7, "sh"), (7, "curl")]).unwrap(), "curl (7)");
    }
}
