//! Parses the words of a question. Pure.

use std::net::SocketAddr;

use super::{error::UsageError, ports};
use crate::inventory::explain::{Question, Shortage, Transport};

/// Questions that `explain` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Asked {
    /// Question about the availability of a port.
    About(Question),
    /// Question about the cause of an error.
    Why(Shortage),
    /// Question about the default ranges of systems.
    Ranges,
}

/// Returns the question in one or two words.
pub(in crate::commands) fn question(words: &[String]) -> Result<Asked, UsageError> {
    let typed = words.join(" ");
    let bad = |reason: &str| UsageError::Value {
        flag: "WHAT",
        value: typed.clone(),
        reason: reason.to_owned(),
    };
    let arrow = typed.replacen("->", " ", 1);
    let parts: Vec<&str> = arrow.split_whitespace().collect();
    match *parts.as_slice() {
        [one] if one.ends_with('-') => Err(bad(
            "the shell took the rest as a redirection; quote it, or write two words: FROM TO",
        )),
        [one] => single(one).map_err(|reason| bad(&reason)),
        [from, to] => {
            let (from, to) = (address(from), address(to));
            let (from, to) = (from.map_err(|e| bad(&e))?, to.map_err(|e| bad(&e))?);
            if from.is_ipv4() != to.is_ipv4() {
                return Err(bad("one address is IPv4, the other is IPv6"));
            }
            if from.ip().is_unspecified() {
                return Err(bad(
                    "a connection needs a source address; `ip route get ADDRESS` prints it",
                ));
            }
            Ok(Asked::About(Question::Tuple { from, to }))
        }
        _ => Err(bad("expected ADDRESS:PORT, FROM TO, :PORT, the name of an error, or `ranges`")),
    }
}

fn single(text: &str) -> Result<Asked, String> {
    if text == "ranges" {
        return Ok(Asked::Ranges);
    }
    if let Some(error) = Shortage::from_name(&text.to_uppercase()) {
        return Ok(Asked::Why(error));
    }
    if text.starts_with('E') && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
        let known = Shortage::ALL.map(Shortage::name).join(", ");
        return Err(format!("expected an error that no free port causes: {known}"));
    }
    if let Some(port) = text.strip_prefix(':').filter(|rest| !rest.starts_with(':')) {
        return local_port(port).map(Asked::About);
    }
    if text.parse::<u16>().is_ok() {
        return local_port(text).map(Asked::About);
    }
    address(text).map(|to| Asked::About(Question::Destination(to)))
}

fn local_port(text: &str) -> Result<Question, String> {
    let (port, transport) = match text.split_once('/') {
        None => (text, None),
        Some((port, "tcp")) => (port, Some(Transport::Tcp)),
        Some((port, "udp")) => (port, Some(Transport::Udp)),
        Some((_, other)) => return Err(format!("'{other}' is neither tcp nor udp")),
    };
    Ok(Question::Port { port: ports::port(port)?, transport })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        format!(
            "'{text}' is not ADDRESS:PORT, such as 10.0.0.5:5432, [2001:db8::5]:443 or \
             localhost:https; `getent hosts NAME` prints the address of a name"
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    // Port 1 is a placeholder: the address is checked first.
    let addr: SocketAddr = format!("{host}:1").parse().map_err(|_| wrong())?;
    Ok(SocketAddr::new(addr.ip().to_canonical(), ports::port(port)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(words: &str) -> Result<Asked, String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        question(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn questions_are_understood() {
        let shown = |words: &str| match ask(words).unwrap() {
            Asked::About(question) => question.to_string(),
            Asked::Why(error) => error.name().to_owned(),
            Asked::Ranges => "ranges".to_owned(),
        };
        assert_eq!(shown("ranges"), "ranges");
        assert_eq!(shown("10.0.0.5:5432"), "10.0.0.5:5432");
        assert_eq!(shown("[::1]:80"), "[::1]:80");
        assert_eq!(shown("[::ffff:10.0.0.5]:80"), "10.0.0.5:80");
        assert_eq!(shown("localhost:80"), "127.0.0.1:80");
        for tuple in ["10.0.0.2:41000 10.0.0.5:5432", "10.0.0.2:41000->10.0.0.5:5432"] {
            assert_eq!(shown(tuple), "10.0.0.2:41000->10.0.0.5:5432");
        }
        assert_eq!([":8080", "8080"].map(shown), [":8080", ":8080"]);
        assert_eq!([":53/udp", ":53/tcp"].map(shown), [":53/udp", ":53/tcp"]);
        assert_eq!(shown("eaddrnotavail"), "EADDRNOTAVAIL");
    }

    #[test]
    fn what_is_no_question_says_what_is() {
        for (words, hint) in [
            ("db.example:5432", "getent hosts"),
            ("10.0.0.5", "ADDRESS:PORT"),
            (":0", "1 to 65535"),
            (":65536", "1 to 65535"),
            (":53/sctp", "neither tcp nor udp"),
            ("10.0.0.2:41000-", "redirection"),
            ("10.0.0.2:1 [::1]:2", "IPv6"),
            ("0.0.0.0:1 10.0.0.1:2", "ip route get"),
            ("ENOENT", "EADDRNOTAVAIL, EADDRINUSE, EAGAIN"),
            ("10.0.0.5:0", "1 to 65535"),
            ("10.0.0.5:no-such", "a service (https)"),
            ("::1:443", "[2001:db8::5]:443"),
            ("1 2 3", "FROM TO"),
        ] {
            let error = ask(words).unwrap_err();
            assert!(error.contains(hint), "{words}: {error}");
        }
    }
}
