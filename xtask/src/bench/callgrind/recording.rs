//! The recording that is read: in ephtrace's own format, the same each time.

use std::fmt::Write as _;

use anyhow::Result;

/// Number of destinations.
const DESTINATIONS: usize = 32;

/// Time of the first row, and the time between two rows.
const START_NS: u64 = 1_795_000_000_000_000_000;
const APART_NS: u64 = 20_000;

/// Number of ports in the range.
const RANGE: u32 = 28_232;

/// Makes assignments like Linux 5.18 and later: to a random destination, two to sixteen ports after
/// its last one.
pub(super) fn make(rows: u32) -> Result<String> {
    let mut random = Random(7);
    let mut offsets: Vec<u32> = (0..DESTINATIONS).map(|_| 2 * random.below(RANGE / 2)).collect();
    let mut text = String::new();
    for n in 0..rows {
        let to = random.below(u32::try_from(DESTINATIONS)?);
        let step = 2 * (1 + random.below(8));
        let latency_ns = 1_500 + random.below(700);
        let offset = offsets.get_mut(usize::try_from(to)?);
        let offset = offset.map(|offset| {
            *offset = (*offset + step) % RANGE;
            *offset
        });
        let port = 32_768 + offset.unwrap_or_default();
        let ts_ns = START_NS + u64::from(n) * APART_NS;
        let pid = 100 + n % 4;
        write!(
            text,
            r#"{{"type":"assignment","ts_ns":{ts_ns},"pid":{pid},"tid":{pid},"comm":"curl","#
        )?;
        text.push_str(r#""uid":1000,"netns":4026531840,"cgroup_id":8123,"container":null,"#);
        text.push_str(r#""family":4,"protocol":"tcp","origin":"connect","saddr":"10.0.0.1","#);
        write!(text, r#""sport":{port},"daddr":"10.0.1.{to}","dport":443,"errno":0,"#)?;
        write!(text, r#""error":null,"latency_ns":{latency_ns},"range_low":32768,"#)?;
        write!(text, r#""range_high":60999,"range_source":"netns","salt_epoch":171800,"#)?;
        write!(text, r#""first_candidate":{port},"#)?;
        write!(text, r#""tried":1,"pass":"first","search_unknown":null,"step":{step},"#)?;
        writeln!(text, r#""self_connect":false,"cookie":{n},"hook":"fentry"}}"#)?;
    }
    Ok(text)
}

/// Pseudorandom numbers: a multiplication by Knuth's constant, and its high half.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((u64::from((self.0 >> 32) as u32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_objects_with_ports_of_the_range() {
        let text = make(1_000).unwrap();
        assert_eq!(text.lines().count(), 1_000);
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!((32_768..=60_999).contains(&row["sport"].as_u64().unwrap()));
        }
        assert_eq!(text, make(1_000).unwrap());
    }
}
