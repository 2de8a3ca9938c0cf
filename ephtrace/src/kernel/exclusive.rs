//! Foreign programs that keep ephtrace's off the root cgroup: attached without `BPF_F_ALLOW_MULTI`,
//! each holds its attach point alone.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
};

use aya::programs::loaded_programs;

use crate::{host::cgroup2::Cgroup2, model::escape::shown};

/// `BPF_PROG_QUERY` (linux/bpf.h), which aya has for other attach points only.
const BPF_PROG_QUERY: libc::c_int = 16;

/// `BPF_F_ALLOW_MULTI`: other programs may attach as well.
const ALLOW_MULTI: u32 = 1 << 1;

/// Attach points of ephtrace on a cgroup (`enum bpf_attach_type`), as named by bpftool.
const PLACES: [(u32, &str); 5] = [
    (3, "sock_ops"),
    (8, "cgroup_inet4_bind"),
    (9, "cgroup_inet6_bind"),
    (12, "cgroup_inet4_post_bind"),
    (13, "cgroup_inet6_post_bind"),
];

/// The part of `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
#[expect(clippy::struct_field_names, reason = "the kernel's names")]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    reserved: u32,
}

/// A program that holds an attach point alone.
struct Holder {
    place: &'static str,
    id: u32,
}

/// Describes the programs that hold attach points of the root cgroup alone, and the remedy; `None`
/// if there are none.
pub(super) fn holders(root: &Cgroup2) -> Option<String> {
    let cgroup = File::open(root.folder()).ok()?;
    // A mount of ephtrace's own disappears with ephtrace.
    let (mount, path) = match &root.mount_point {
        Some(path) => ("", shown(path).to_string()),
        None => ("`mount -t cgroup2 none DIR` and then ", "DIR".to_owned()),
    };
    let held = PLACES.iter().filter_map(|&(number, place)| {
        let id = sole(cgroup.as_fd(), number).ok().flatten()?;
        Some(Holder { place, id })
    });
    let told: Vec<_> = held
        .map(|Holder { place, id }| {
            let name = name(id).unwrap_or_else(|| "without a name".to_owned());
            format!(
                "program {id} ({name}) is attached exclusively to {place} of the root cgroup; \
                 attach it with `multi`, or remove it: {mount}`bpftool cgroup detach {path} \
                 {place} id {id}`"
            )
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Returns the program at an attach point of `cgroup`, if it lets no other attach there.
fn sole(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Option<u32>> {
    let mut id = 0_u32;
    let mut query = Query {
        target_fd: u32::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?,
        attach_type,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: (&raw mut id) as u64,
        prog_cnt: 1,
        reserved: 0,
    };
    // SAFETY: the attribute is live and has the given size, and so is the room for one id.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size_of::<Query>()) };
    let error = io::Error::last_os_error();
    // Several programs are never exclusive.
    if done < 0 && error.raw_os_error() != Some(libc::ENOSPC) {
        return Err(error);
    }
    Ok((query.prog_cnt == 1 && query.attach_flags & ALLOW_MULTI == 0).then_some(id))
}

fn name(id: u32) -> Option<String> {
    let info = loaded_programs().flatten().find(|info| info.id() == id)?;
    info.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
