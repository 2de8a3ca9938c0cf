//! The destinations with the largest use of a range.

use std::io::{self, Write};

use super::words::{HOLDER_WIDTH, group, holder_ports, percent, to};
use crate::{
    inventory::{
        namespace::{DestinationUse, Mark, Namespace, Others},
        socket::ByState,
    },
    output::{
        counted::counted,
        paper::Paper,
        table::{Head, Table},
    },
};

/// Writes them as a table, below a line with their number.
pub(super) fn write(out: &mut impl Write, namespace: &Namespace, paper: Paper) -> io::Result<()> {
    if namespace.destinations_known == 0 {
        return Ok(());
    }
    let known = counted(namespace.destinations_known as u64, "destination");
    writeln!(out, "\nfullest of {known}:")?;
    let mut table = Table::new(HEADS);
    for one in &namespace.destinations {
        let mark = if one.mark == Mark::None { "-" } else { one.mark.as_str() };
        let counts = [one.in_use, one.even, one.odd];
        let words = [percent(one.share), mark.to_owned(), left(one), most(one), to(one)];
        table.row(row(counts, &one.by_state, words));
    }
    if let Some(Others { destinations, in_use, even, odd, by_state }) = &namespace.others {
        let others = format!("{destinations} others");
        let words = [String::new(), String::new(), String::new(), String::new(), others];
        table.row(row([*in_use, *even, *odd], by_state, words));
    }
    table.write(out, paper)
}

/// Heads of the columns. Columns are dropped first if others imply them, or if they are seldom
/// other than 0.
const HEADS: [Head; 13] = [
    Head::right("IN USE", 7),
    Head::right("SHARE", 7),
    Head::left("MARK", 4),
    Head::right("EVEN", 6).drop(1),
    Head::right("ODD", 6).drop(2),
    Head::right("LEFT", 6),
    Head::right("ESTAB", 7).drop(6),
    Head::right("TIMEWAIT", 8).drop(7),
    Head::right("SYNSENT", 7).drop(3),
    Head::right("CLOSEWAIT", 9).drop(4),
    Head::right("OTHER", 6).drop(5),
    Head::left("HELD BY", HOLDER_WIDTH).apart(),
    Head::left("DESTINATION", 0),
];

fn row<N: ToString>(
    [in_use, even, odd]: [N; 3],
    by_state: &ByState,
    [share, mark, left, holder, to]: [String; 5],
) -> [String; 13] {
    let ByState { established, time_wait, syn_sent, close_wait, .. } = by_state;
    let other = by_state.total() - established - time_wait - syn_sent - close_wait;
    let [in_use, even, odd] = [in_use, even, odd].map(|n| n.to_string());
    let states = [*established, *time_wait, *syn_sent, *close_wait, other];
    let [established, time_wait, syn_sent, close_wait, other] = states.map(|n| n.to_string());
    [
        in_use,
        share,
        mark,
        even,
        odd,
        left,
        established,
        time_wait,
        syn_sent,
        close_wait,
        other,
        holder,
        to,
    ]
}

/// Returns `90`, or `0..90` if some ports may be taken because nobody saw whether they were bound.
pub(in crate::output::tables) fn left(one: &DestinationUse) -> String {
    match (one.left_least, one.left) {
        (least, left) if least == left => left.to_string(),
        (least, left) => format!("{least}..{left}"),
    }
}

/// Returns the greatest holder in one column, with its part.
fn most(destination: &DestinationUse) -> String {
    let Some(holder) = destination.holders.first() else { return "-".to_owned() };
    if holder.ports == destination.in_use { group(holder) } else { holder_ports(holder) }
}
