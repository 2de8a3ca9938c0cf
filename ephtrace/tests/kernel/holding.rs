//! Reasons why ports are held, and their holders: states that last, and programs of many processes.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use socket2::{Socket, Type};

use crate::{
    all_clear::{FIRST, PORTS, check, connect_once, in_small_netns, ports, socket},
    wait,
};

tests! {
    once: states_are_named, a_pool_of_workers_holds_more_than_a_job;
}

/// `TCP_SYN_SENT` of the kernel's `include/net/tcp_states.h`.
const TCP_SYN_SENT: u8 = 2;

/// Returns the number of these sockets that are in SYN_SENT according to the kernel.
fn count_waiting(clients: &[Socket]) -> Result<usize> {
    let mut waiting = 0;
    for client in clients {
        // The first byte of `struct tcp_info` is the state.
        let (mut state, mut len) = (0_u8, 1);
        let value = (&raw mut state).cast();
        // SAFETY: the kernel writes at most `len` bytes, which is the size of `state`.
        let done = unsafe {
            libc::getsockopt(client.as_raw_fd(), libc::SOL_TCP, libc::TCP_INFO, value, &raw mut len)
        };
        ensure!(done == 0, "TCP_INFO: {}", io::Error::last_os_error());
        waiting += usize::from(state == TCP_SYN_SENT);
    }
    Ok(waiting)
}

/// Waits until `count` sockets to the first destination are reported as `what`.
fn settled(what: &str, count: usize) -> Result<Value> {
    wait::until(&format!("{what} is to become {count}"), || {
        let said = ports(&[])?;
        let one = &said["namespaces"][0]["destinations"][0];
        let is_settled = one.pointer(what).is_some_and(|found| *found == count);
        Ok(is_settled.then_some(said))
    })
}

fn has(said: &Value, rule: &str, remedy: &str) -> Result<()> {
    let found = said["findings"].as_array().context("no findings")?;
    let one = found.iter().find(|finding| finding["rule"] == rule);
    let one = one.with_context(|| format!("no {rule} in {}", said["findings"]))?;
    ensure!(one["remedies"].to_string().contains(remedy), "{one}");
    let pool = found.iter().any(|finding| {
        finding["rule"] == "full" && finding["remedies"].to_string().contains("keep-alive")
    });
    ensure!(!pool, "keep-alive helps nobody here: {}", said["findings"]);
    Ok(())
}

fn states_are_named() -> Result<()> {
    // Nobody answers, because the listener's queue is full.
    in_small_netns(|listeners| {
        listeners[0].listen(0)?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST)).into();
        let mut clients = Vec::new();
        for _ in 0..PORTS {
            let client = socket(false, Type::STREAM)?;
            client.set_nonblocking(true)?;
            let done = client.connect(&to).map_err(|error| error.raw_os_error());
            ensure!(matches!(done, Ok(()) | Err(Some(libc::EINPROGRESS))), "{done:?}");
            clients.push(client);
        }
        // One is in the queue, or a few if a slow machine takes several SYNs at once.
        let said = wait::until("all that wait are to send SYN again", || {
            let said = ports(&[])?;
            let waiting = count_waiting(&clients)?;
            ensure!(waiting > PORTS * 9 / 10, "{waiting} of {PORTS} wait");
            let one = &said["namespaces"][0]["destinations"][0];
            Ok((one["syn_resent"] == waiting).then_some(said))
        })?;
        has(&said, "syn-sent", "connect timeout")
    })
    .context("SYN_SENT")?;
    in_small_netns(|listeners| {
        let mut clients = Vec::new();
        for _ in 0..PORTS {
            clients.push(connect_once()?);
            drop(listeners[0].accept()?);
        }
        has(&settled("/by_state/close_wait", PORTS)?, "close-wait", "close()")
    })
    .context("CLOSE_WAIT")?;
    in_small_netns(|listeners| {
        let mut servers = Vec::new();
        for nth in 0..PORTS {
            let client = connect_once()?;
            servers.push(listeners[0].accept()?);
            client.shutdown(Shutdown::Write)?;
            if nth % 2 == 0 {
                servers.push((client, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()));
            }
        }
        let said = settled("/by_state/fin_wait2", PORTS)?;
        let one = &said["namespaces"][0]["destinations"][0];
        ensure!(one["orphans"] == PORTS / 2 && one["by_state"]["time_wait"] == 0, "{one}");
        has(&said, "fin-wait", "tcp_fin_timeout")
    })
    .context("FIN_WAIT2")
}

/// A process with a name of its own that only holds sockets.
struct Holder(libc::pid_t);

impl Holder {
    fn of(name: &std::ffi::CStr, sockets: Vec<Socket>) -> Result<Self> {
        // SAFETY: the child only makes system calls until it is killed.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: the name ends with a NUL.
            unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
            loop {
                // SAFETY: the call takes no argument.
                unsafe { libc::pause() };
            }
        }
        ensure!(pid > 0, "fork: {}", io::Error::last_os_error());
        drop(sockets);
        Ok(Self(pid))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // SAFETY: the process is a child of ours that has not been waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        // SAFETY: as above; the status is not stored.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

fn a_pool_of_workers_holds_more_than_a_job() -> Result<()> {
    in_small_netns(|_listeners| {
        let hold = |name, count| {
            let sockets = (0..count).map(|_| connect_once()).collect::<io::Result<Vec<_>>>();
            Holder::of(name, sockets?)
        };
        let mut holders = vec![hold(c"cron-job", 15)?];
        for _ in 0..10 {
            holders.push(hold(c"php-fpm", 6)?);
        }
        let said = wait::until("php-fpm is to hold most", || {
            let said = ports(&[])?;
            let first = &said["namespaces"][0]["destinations"][0]["holders"][0];
            Ok((first["comm"] == "php-fpm").then_some(said))
        })?;
        let one = &said["namespaces"][0]["destinations"][0];
        let holder = |nth: usize| {
            let holder = &one["holders"][nth];
            (holder["comm"].clone(), holder["process_count"].clone(), holder["ports"].clone())
        };
        let is = |(name, processes, ports): (Value, Value, Value), expected: (&str, u32, u32)| {
            name == expected.0 && processes == expected.1 && ports == expected.2
        };
        ensure!(is(holder(0), ("php-fpm", 10, 60)), "{one}");
        ensure!(is(holder(1), ("cron-job", 1, 15)), "{one}");
        let (_, line) = check()?;
        ensure!(line.contains("mostly php-fpm (10 processes)"), "{line}");
        ensure!(!line.contains("cron-job"), "{line}");
        drop(holders);
        Ok(())
    })
}
