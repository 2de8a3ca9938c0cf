//! Failures that ephtrace says it does not see.

/// A call that asks for a port.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Bind,
    Connect,
    Send,
}

/// Returns true if a failure of `call` is seen, given ephtrace's text `unseen` about the failures
/// that it does not see. The text must agree with what this kernel offers.
pub(crate) fn sees(unseen: Option<&str>, call: Call) -> bool {
    let kind = match call {
        Call::Bind => "binds",
        Call::Connect => "UDP connects",
        Call::Send => "UDP sends",
    };
    // The part about io_uring names calls that are otherwise seen.
    let wholly = unseen.and_then(|text| text.split("; ").find(|part| !part.contains("io_uring")));
    !wholly.is_some_and(|part| part.contains(kind))
}
