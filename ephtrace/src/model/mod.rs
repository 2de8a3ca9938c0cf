//! The model of one assignment, as everything behind the decoder sees it.
//!
//! Friendly types only: addresses are `IpAddr`, unknown is `None`. No I/O, no clock. The wire
//! format is in `ephtrace-common`; `kernel::decode` converts it.

pub mod assignment;
pub mod column;
pub mod columns;
pub mod comm;
pub mod draft;
pub mod errno;
pub mod escape;
pub mod failed_calls;
pub mod filter;
pub mod flow;
pub mod grouping;
pub(crate) mod human_duration;
pub(crate) mod human_share;
pub mod left_out;
pub mod losses;
pub mod name_columns;
pub mod name_filter;
pub mod names;
pub mod packets;
pub mod port_range;
pub mod provenance;
pub mod schema_version;
pub mod search;
pub mod task_names;
pub mod who;

pub use ephtrace_common::{Hook, Origin, Protocol};

pub use self::{
    assignment::Assignment,
    comm::Comm,
    draft::Draft,
    errno::{errno_name, is_no_port},
    failed_calls::{Absent, FailedCalls},
    filter::Filter,
    flow::{Family, FlowKey},
    left_out::LeftOut,
    packets::{PacketKind, Packets},
    port_range::{PortRange, RangeInForce, RangeSource},
    provenance::{HooksSeen, Provenance},
    schema_version::SCHEMA_VERSION,
    search::{Pass, Search, Unknown},
};
