//! Kernels of several distributions and machines: offsets of their fields, as [`offsets`] found
//! them in their BTF. docs/testing.md describes the sources and how to add a row.

use std::{env, fs, path::Path};

use zerocopy::{FromZeros as _, IntoBytes as _};

use super::*;

const COUNT: usize = size_of::<Offsets>() / size_of::<u32>();

/// Value of a field that a kernel lacks.
const NONE: u32 = Offsets::ABSENT;

/// Name of a kernel, and the fields of [`Offsets`] in their order.
type Row = (&'static str, [u32; COUNT]);

const KERNELS: &[Row] = &[
    (
        "debian-5.10.262",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 540, 784, NONE, 144, 900, NONE, 2232, 2236, 2296,
            2336, 4, 96, 8, 136, 2736, 3328, 120, 208, 2688, 2720, 8, 2536, 36, 640, 192, 1192,
            NONE, 809, 4, 1596, 8, 2808, 32, 0, 8, 200, 16, 24, 112,
        ],
    ),
    (
        "debian-6.1.192",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 516, 804, 984, 144, 1060, NONE, 2416, 2420, 2480,
            2520, 4, 96, 8, 128, 2976, 3600, 128, 208, NONE, 2960, 8, 2776, 44, 624, 192, 1256,
            208, 811, 4, 1636, 8, 3048, 32, 0, 8, 200, 16, 24, 112,
        ],
    ),
    (
        "debian-6.12.117",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 574, 806, 840, 136, 1180, NONE, 2432, 2436, 2496,
            2536, 4, 112, 8, 128, 2976, 3584, 128, 216, NONE, 2960, 8, 2776, 44, 288, 192, 1264,
            224, 794, 8, 1930, 2, 3048, 32, 0, 8, 32, 16, 24, 112,
        ],
    ),
    (
        "debian-7.2.13",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 540, 830, 864, 280, 1476, 1496, 2808, 2812, 2872,
            2912, 4, 128, 8, 344, 3344, 4000, 128, 256, NONE, 3328, 8, 3152, 44, 288, 192, 1264,
            232, 818, 8, 1986, 1, 3416, 32, 0, 8, 24, 16, 24, 112,
        ],
    ),
    (
        "libbpf-6.1-x86_64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 908, 1304, NONE, 328, 1656, NONE, 1400, 1404,
            1464, 1504, 4, 208, 8, 192, 1928, 4632, 96, 288, NONE, 1912, 20, 1760, 44, 1136, 256,
            1904, 200, 1313, 4, 2284, 8, 2000, 88, 0, 8, 424, 16, 24, 112,
        ],
    ),
    (
        "ubuntu-5.15.0-25-arm64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 540, 816, NONE, 136, 936, NONE, 1392, 1396, 1456,
            1496, 4, 96, 8, 128, 1840, 2320, 128, 208, 2360, 1824, 4, 1696, 44, 656, 192, 1208,
            176, 825, 4, 1604, 8, 1912, 32, 0, 8, 200, 16, 24, 272,
        ],
    ),
    (
        "ubuntu-5.15.0-25-x86_64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 540, 816, NONE, 136, 936, NONE, 2384, 2388, 2448,
            2488, 4, 96, 8, 128, 2856, 3488, 128, 208, 2360, 2840, 4, 2688, 44, 656, 192, 1208,
            176, 825, 4, 1604, 8, 2928, 32, 0, 8, 200, 16, 24, 112,
        ],
    ),
    (
        "ubuntu-6.12.0-10-arm64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 574, 798, 832, 128, 1124, NONE, 1856, 1860, 1920,
            1960, 4, 112, 8, 128, 2400, 2864, 128, 216, NONE, 2384, 8, 2200, 68, 288, 192, 1216,
            216, 786, 8, 1930, 2, 2472, 32, 0, 8, 32, 16, 24, 272,
        ],
    ),
    (
        "ubuntu-6.12.0-10-x86_64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 574, 798, 832, 128, 1124, NONE, 2752, 2756, 2816,
            2856, 4, 112, 8, 128, 3296, 3912, 128, 216, NONE, 3280, 8, 3096, 44, 288, 192, 1216,
            216, 786, 8, 1930, 2, 3368, 32, 0, 8, 32, 16, 24, 112,
        ],
    ),
    (
        "ubuntu-6.3.0-7-arm64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 516, 800, 984, 136, 1052, NONE, 1528, 1532, 1592,
            1632, 4, 96, 8, 128, 2032, 2512, 128, 208, NONE, 2016, 4, 1832, 68, 624, 192, 1216,
            200, 809, 4, 1596, 8, 2104, 32, 0, 8, 200, 16, 24, 272,
        ],
    ),
    (
        "ubuntu-6.3.0-7-x86_64",
        [
            0, 4, 12, 14, 18, 16, 48, 56, 72, 88, 516, 800, 984, 136, 1052, NONE, 2456, 2460, 2520,
            2560, 4, 96, 8, 128, 2960, 3592, 128, 208, NONE, 2944, 4, 2760, 44, 624, 192, 1216,
            200, 809, 4, 1596, 8, 3032, 32, 0, 8, 200, 16, 24, 112,
        ],
    ),
];

fn words(offsets: &Offsets) -> [u32; COUNT] {
    let mut words = [0; COUNT];
    words.as_mut_bytes().copy_from_slice(offsets.as_bytes());
    words
}

fn found(path: &Path) -> [u32; COUNT] {
    words(&offsets(&Btf::parse(fs::read(path).unwrap()).unwrap()).unwrap())
}

/// Checks assumptions of the kernel half: only fields that [`Offsets`] calls absent may be, and
/// numbers are read whole, at multiples of their sizes.
#[test]
fn fields_can_be_read_on_each_kernel() {
    for (kernel, row) in KERNELS {
        let mut offsets = Offsets::new_zeroed();
        offsets.as_mut_bytes().copy_from_slice(row.as_bytes());
        let o = offsets;
        let pointers = [
            o.skc_net,
            o.task_group_leader,
            o.task_thread_pid,
            o.task_cred,
            o.upid_ns,
            o.sk_socket,
        ];
        let words = [
            o.cred_uid,
            o.task_pid,
            o.task_tgid,
            o.net_inum,
            o.net_range,
            o.skc_daddr,
            o.pid_level,
        ];
        let halves = [o.skc_dport, o.skc_num, o.skc_family, o.inet_sport, o.sk_protocol];
        let long = [o.skc_cookie, o.skc_v6_daddr, o.skc_v6_rcv_saddr, o.task_start_time];
        assert!(pointers.iter().chain(&long).all(|at| at % 8 == 0), "{kernel}");
        assert!(words.iter().all(|at| at % 4 == 0), "{kernel}");
        assert!(halves.iter().all(|at| at % 2 == 0), "{kernel}");
        let bits = [
            (o.defer_connect, o.defer_connect_mask),
            (o.fastopen_connect, o.fastopen_connect_mask),
        ];
        let is_bit = |(at, mask): &(u32, u32)| *at != NONE && mask.is_power_of_two() && *mask < 256;
        assert!(bits.iter().all(is_bit), "{kernel}");
        let optional =
            [o.local_port_range, o.net_step_width, o.cgroup_ancestor_ids, o.subflow_conn];
        let absent = |all: &[u32]| all.iter().filter(|&&at| at == NONE).count();
        assert_eq!(absent(row), absent(&optional), "{kernel}");
    }
}

/// Compares the table with `EPHTRACE_BTF_FILES`, a directory of BTF files named like the rows.
#[test]
fn each_kernel_keeps_its_fields_where_the_table_says() {
    let Some(folder) = env::var_os("EPHTRACE_BTF_FILES") else { return };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension() == Some("btf".as_ref())).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let (name, found) = (path.file_stem().unwrap().to_str().unwrap(), found(&path));
        let row = KERNELS.iter().find(|(kernel, _)| *kernel == name);
        let (_, expected) = row.unwrap_or_else(|| panic!("no row:\n(\"{name}\", {found:?}),"));
        assert_eq!(found, *expected, "{name}");
    }
}
