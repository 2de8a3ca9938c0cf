//! The eBPF object that `build.rs` built.

#[cfg(not(ephtrace_no_bpf))]
const BYTES: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ephtrace-ebpf"));

/// Returns the object's bytes.
#[cfg(not(ephtrace_no_bpf))]
pub(super) fn bytes() -> &'static [u8] {
    BYTES
}

/// Fails the build: without an object there is no ephtrace. An inline constant of a generic
/// function is evaluated when code is generated, so that `cargo check`, clippy and an IDE pass and
/// a build does not.
#[cfg(ephtrace_no_bpf)]
pub(super) fn bytes() -> &'static [u8] {
    missing::<()>()
}

#[cfg(ephtrace_no_bpf)]
fn missing<T>() -> &'static [u8] {
    const { panic!("the eBPF half can't be built on this machine yet: run `cargo xtask setup`") }
}
