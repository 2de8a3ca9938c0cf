//! Parses ports: numbers, ranges, and services by name.

use std::{fs, io::ErrorKind};

use super::error::UsageError;
use crate::model::PortRange;

/// The list of services with their ports.
const SERVICES: &str = "/etc/services";

/// Parses a port, a range of ports, or a service: `80`, `8000-8100`, `https`.
pub(in crate::commands) fn ports(flag: &'static str, text: &str) -> Result<PortRange, UsageError> {
    ports_with(text, &services).map_err(|reason| UsageError::Value {
        flag,
        value: text.to_owned(),
        reason,
    })
}

/// Parses one port, by number or by the name of its service.
pub(in crate::commands) fn port(text: &str) -> Result<u16, String> {
    match ports_with(text, &services)? {
        PortRange { low, high } if low == high && low > 0 => Ok(low),
        _ => Err(format!("'{text}' is not a port; expected 1 to 65535 or a service such as https")),
    }
}

/// `list` reads the list of services; it is only called if the text is no number.
fn ports_with(text: &str, list: &dyn Fn() -> Result<String, String>) -> Result<PortRange, String> {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let is_number = |text: &str| text.trim().parse::<i128>().is_ok();
    if let Some(port) = number(text) {
        return Ok(PortRange::new(port, port));
    }
    if let Some((low, high)) = text.split_once('-').filter(|(low, _)| is_number(low)) {
        return match (number(low), number(high)) {
            (Some(low), Some(high)) if low > high => {
                Err(format!("the range is empty; try {high}-{low}"))
            }
            (Some(low), Some(high)) => Ok(PortRange::new(low, high)),
            _ => Err("expected two ports from 1 to 65535, such as 8000-8100".to_owned()),
        };
    }
    if is_number(text) {
        return Err("expected 1 to 65535".to_owned());
    }
    let forms = "expected a port (443), a range (8000-8100) or a service (https)";
    let services = list().map_err(|missing| format!("{forms}; {missing}"))?;
    let port = service_port(&services, text.trim());
    let port = port.ok_or_else(|| format!("{forms}; {SERVICES} has no such service"))?;
    Ok(PortRange::new(port, port))
}

fn services() -> Result<String, String> {
    let read = fs::read(SERVICES).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{SERVICES} does not exist, so use the number"),
        _ => format!("{SERVICES} can't be read, so use the number"),
    })?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// Returns the port of a service in a file such as `/etc/services`, by its name or an alias.
///
/// The first line wins, as with `getservbyname`; that function loads libraries at run time and
/// crashes in a static binary.
fn service_port(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (service, port) = (words.next()?, words.next()?);
        let is_meant = service == name || words.any(|alias| alias == name);
        is_meant.then(|| port.split('/').next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# none\nhttp\t80/tcp\t\twww\t# web\nhttps 443/tcp\nhttps 443/udp\n\
                        http-alt 8080/tcp webcache\nbroken\nbad x/tcp\n";

    fn parsed(text: &str) -> Result<PortRange, String> {
        ports_with(text, &|| Ok(LIST.to_owned()))
    }

    #[test]
    fn ports_are_numbers_ranges_and_services() {
        for (text, low, high) in [
            ("443", 443, 443),
            (" 443 ", 443, 443),
            ("8000-8100", 8000, 8100),
            ("0-1023", 0, 1023),
            ("https", 443, 443),
            ("www", 80, 80),
            ("http-alt", 8080, 8080),
        ] {
            assert_eq!(parsed(text), Ok(PortRange::new(low, high)), "{text}");
        }
    }

    #[test]
    fn what_is_no_port_says_what_is_one() {
        for (text, hint) in [
            ("70000", "expected 1 to 65535"),
            ("-1", "expected 1 to 65535"),
            ("80-", "such as 8000-8100"),
            ("80-70000", "such as 8000-8100"),
            ("90-80", "try 80-90"),
            ("", "no such service"),
            ("htps", "no such service"),
            ("web", "no such service"),
            ("bad", "no such service"),
            ("none", "no such service"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let error = ports_with("https", &|| Err("there is no list".to_owned())).unwrap_err();
        assert!(error.ends_with("(https); there is no list"), "{error}");
    }
}
