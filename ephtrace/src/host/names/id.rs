//! Owners of names: a container by its whole id, a pod by its UID.

/// Number of hexadecimal digits of a container's id.
pub const ID_DIGITS: usize = 64;

/// Number of hexadecimal digits of a pod's UID, without dashes.
const UID_DIGITS: usize = 32;

/// Whole id of a container, chosen at random by its runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId([u128; 2]);

/// UID of a pod; for a static pod, the hash of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodUid(u128);

impl ContainerId {
    /// Parses 64 digits in lower case.
    pub fn new(text: &str) -> Option<Self> {
        let (high, low) = text.split_at_checked(ID_DIGITS / 2)?;
        Some(Self([hexadecimal(high)?, hexadecimal(low)?]))
    }

    /// Returns the 64 digits.
    pub fn digits(self) -> String {
        format!("{:032x}{:032x}", self.0[0], self.0[1])
    }
}

impl PodUid {
    /// Parses a UID as the kubelet writes it: with dashes, with underscores in place of them (as in
    /// the name of a slice), or without.
    pub fn new(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        hexadecimal(&digits).map(Self)
    }
}

/// Parses exactly 32 digits in lower case.
fn hexadecimal(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = text.len() == UID_DIGITS && text.bytes().all(is_digit);
    is_whole.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole_or_none() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(ContainerId::new(&id).unwrap().digits(), id);
        for text in ["", "0123456789ab", &id[1..], &format!("{id}0"), &id.to_uppercase()] {
            assert_eq!(ContainerId::new(text), None, "{text}");
        }
        assert_ne!(ContainerId::new(&id), ContainerId::new(&id.replace("01", "10")));
    }

    #[test]
    fn a_uid_is_the_same_however_it_is_written() {
        let uid = PodUid::new("2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11");
        assert!(uid.is_some());
        assert_eq!(PodUid::new("2f1d2a2e_1f7c_4f5e_9d59_0f3e2a0a6f11"), uid);
        assert_eq!(PodUid::new("2f1d2a2e1f7c4f5e9d590f3e2a0a6f11"), uid);
        assert_eq!(PodUid::new("2f1d"), None);
        assert_eq!(PodUid::new("+f1d2a2e1f7c4f5e9d590f3e2a0a6f11"), None);
    }
}
