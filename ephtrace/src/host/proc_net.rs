//! The list of `sock_diag`, from the text files of `/proc/net`: for kernels that lack the module
//! for `sock_diag`. Slower, and without sockets that are only bound.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::sock_diag::Transport;
use crate::inventory::socket::{Socket, TcpState};

/// Files of this thread's namespace; `/proc/net` shows that of the process's first thread.
const PROC_NET: &str = "/proc/thread-self/net";

/// Unit of the times in these files, in milliseconds: `USER_HZ` is 100 on each architecture that
/// ephtrace is built for.
const MS_PER_TICK: u64 = 10;

/// Timer that retransmits a packet.
const RETRANSMIT: &str = "01";

/// Timer that ends a `TIME_WAIT`.
const TIME_WAIT: &str = "03";

/// Lists all sockets of `transport` with a local port, in any state but bound.
pub fn list(transport: Transport, mut each: impl FnMut(Socket)) -> io::Result<()> {
    let (v4, v6) = match transport {
        Transport::Tcp => ("tcp", "tcp6"),
        Transport::Udp => ("udp", "udp6"),
    };
    read(File::open(Path::new(PROC_NET).join(v4))?, &mut each)?;
    match File::open(Path::new(PROC_NET).join(v6)) {
        Ok(file) => read(file, &mut each),
        // The kernel lacks IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn read(file: File, each: &mut impl FnMut(Socket)) -> io::Result<()> {
    let mut file = BufReader::new(file);
    let mut line = String::new();
    // The first line names the columns.
    file.read_line(&mut line)?;
    while let Some(text) = next(&mut file, &mut line)? {
        let socket =
            parse(text).ok_or_else(|| io::Error::other(format!("can't parse a line: {text:?}")))?;
        if socket.sport != 0 {
            each(socket);
        }
    }
    Ok(())
}

fn next<'a>(file: &mut impl BufRead, line: &'a mut String) -> io::Result<Option<&'a str>> {
    line.clear();
    let read = file.read_line(line)?;
    Ok((read > 0).then_some(line))
}

/// Parses `sl local remote state tx:rx tr:when retransmits uid timeout inode …` (`get_tcp4_sock`
/// and similar functions); `None` for any other line.
pub fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (saddr, sport) = end(fields.next()?)?;
    let (daddr, dport) = end(fields.next()?)?;
    let state = TcpState::from_kernel(u8::from_str_radix(fields.next()?, 16).ok()?)?;
    let timer = fields.nth(1)?;
    let resent = u8::from_str_radix(fields.next()?, 16).unwrap_or(u8::MAX);
    let inode = fields.nth(2)?.parse().ok()?;
    let (kind, left) = timer.split_once(':')?;
    let left_ms = u64::from_str_radix(left, 16).ok()?.saturating_mul(MS_PER_TICK);
    Some(Socket {
        inode,
        retransmits: if kind == RETRANSMIT { resent } else { 0 },
        time_wait_left_ms: (state == TcpState::TimeWait && kind == TIME_WAIT)
            .then(|| u16::try_from(left_ms).unwrap_or(u16::MAX)),
        ..Socket::new(saddr, daddr, sport, dport, state)
    })
}

/// Parses `0100007F:1F90`: words of an address in this processor's byte order, and a port.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (addr, port) = text.split_once(':')?;
    let word = |nth: usize| -> Option<[u8; 4]> {
        let digits = addr.get(8 * nth..8 * nth + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let addr = match addr.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::from(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some((addr, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel() {
        let listener = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 \
                        00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";
        let found = parse(listener).unwrap();
        assert_eq!((found.saddr, found.sport), (IpAddr::from([127, 0, 0, 1]), 8080));
        assert_eq!((found.dport, found.state, found.inode), (0, TcpState::Listen, 12345));
        let gone = "   7: 00000000000000000000000001000000:9C40 \
                    0000000000000000FFFF0000090B0A0A:01BB 06 00000000:00000000 03:000017A0 \
                    00000000     0        0 0 3 0000000000000000";
        let found = parse(gone).unwrap();
        assert_eq!((found.saddr, found.sport), ("::1".parse().unwrap(), 40000));
        assert_eq!((found.daddr, found.dport), ("10.10.11.9".parse().unwrap(), 443));
        assert_eq!((found.state, found.inode), (TcpState::TimeWait, 0));
        assert_eq!((found.retransmits, found.time_wait_left_ms), (0, Some(60_480)));
        let unanswered = "   1: 0100000A:9C40 0900000A:01BB 02 00000001:00000000 \
                          01:000002F1 00000003     0        0 881 2 0000000000000000 800 0 0 1 7";
        let found = parse(unanswered).unwrap();
        assert_eq!((found.state, found.inode, found.retransmits), (TcpState::SynSent, 881, 3));
    }

    proptest! {
        #[test]
        fn nothing_panics(line in "[ 0-9A-Fé:]{0,120}") {
            let _ = parse(&line);
        }
    }

    #[test]
    fn lists_what_sock_diag_lists() {
        let kept = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = kept.local_addr().unwrap().port();
        let mut found = Vec::new();
        list(Transport::Tcp, |socket| found.push(socket)).unwrap();
        let mut by_diag = Vec::new();
        crate::host::sock_diag::list(Transport::Tcp, |socket| by_diag.push(socket)).unwrap();
        let mine = |all: &[Socket]| all.iter().find(|one| one.sport == port).copied();
        assert!(mine(&found).is_some());
        assert_eq!(mine(&found), mine(&by_diag));
    }
}
