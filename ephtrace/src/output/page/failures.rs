//! The chart of failed assignments over time.

use maud::{Markup, html};

use super::{
    bars::{Bar, bars},
    plot::{Plot, Shape},
    scale::{Scale, Unit, count},
    tables::errno,
};
use crate::analyse::{
    charts::{Charts, MAX_ERRORS},
    real,
};

/// Returns the chart of failed assignments over time, by error.
pub(super) fn over_time(charts: &Charts) -> Option<Plot> {
    let grid = charts.failures();
    let failed = grid.x().seen()?;
    // Uses the time axis of the ports, so that both charts can be compared.
    let all = charts.by_time().x().seen().unwrap_or(failed);
    let (first, last) = (all.0.min(failed.0), all.1.max(failed.1));
    let seconds = |ns: u64| (real(ns) - real(first)) / 1e9;
    let columns: Vec<(u64, u64, Vec<u64>)> = grid
        .x()
        .used()
        .map(|column| {
            let (from, to) = (grid.x().start(column), grid.x().start(column + 1));
            let counts = (0..MAX_ERRORS).map(|slot| error_count(charts, column, slot)).collect();
            (from, to, counts)
        })
        .collect();
    let most = columns.iter().map(|(_, _, counts)| counts.iter().sum::<u64>()).max()?;
    let x = Scale::linear(0.0, seconds(last).max(1e-6), Unit::Seconds);
    let y = Scale::linear(0.0, real(most) * 1.05, Unit::Count);
    let names: Vec<String> = (0..MAX_ERRORS)
        .map(|slot| charts.errors().get(slot).map_or("others".to_owned(), |&e| errno(e)))
        .collect();
    let drawn = columns.iter().flat_map(|(from, to, counts)| {
        failure_bars(counts, (seconds(*from), seconds(*to)), &names, (&x, &y))
    });
    let drawn: Vec<Bar> = drawn.collect();
    let totals = (0..MAX_ERRORS).map(|slot| columns.iter().map(|(_, _, n)| n[slot]).sum::<u64>());
    let totals: Vec<(usize, u64)> = totals.enumerate().filter(|(_, n)| *n > 0).collect();
    let told: Vec<_> =
        totals.iter().map(|&(slot, n)| format!("{} {}", count(n), names[slot])).collect();
    Some(Plot {
        id: "failures-over-time",
        title: "Failures over time",
        hint: html! {
            "Assignments without a port, by error: "
            @for (slot, n) in &totals {
                span class=(format!("key e{slot}")) { (names[*slot]) " (" (count(*n)) ")" } " "
            }
        },
        reading: format!("{}.", told.join(", ")),
        x: (x, "seconds since the first assignment"),
        y: (y, "failures"),
        drawing: bars(&drawn, &html! {}),
        shape: Shape::Half,
        table: failures_table(&columns, &seconds, &names, &totals),
    })
}

/// Returns failures between two times, in seconds, as stacked bars.
fn failure_bars(
    counts: &[u64],
    (from, to): (f64, f64),
    names: &[String],
    (x, y): (&Scale, &Scale),
) -> Vec<Bar> {
    // A column of a long recording is a second; that of a short one has a minimum width.
    let width = (x.place(to) - x.place(from)).max(0.002);
    let mut foot = 0;
    let some = counts.iter().enumerate().filter(|(_, n)| **n > 0);
    some.map(|(slot, &n)| {
        let ends = (y.place(real(foot)), y.place(real(foot + n)));
        foot += n;
        let title = format!("{} {} at {}", count(n), names[slot], Unit::Seconds.label(from));
        Bar { class: format!("bar e{slot}"), left: x.place(from), width, ends, title }
    })
    .collect()
}

fn error_count(charts: &Charts, column: usize, slot: usize) -> u64 {
    let rows = charts.failures().y();
    let wanted = slot as u64;
    let seen = rows.seen().is_some_and(|(low, high)| (low..=high).contains(&wanted));
    if seen { charts.failures().cell(column, rows.bin(wanted)).count } else { 0 }
}

fn failures_table(
    columns: &[(u64, u64, Vec<u64>)],
    seconds: &impl Fn(u64) -> f64,
    names: &[String],
    totals: &[(usize, u64)],
) -> Markup {
    let wide = columns.len().div_ceil(16).max(1);
    html! {
        table {
            thead { tr {
                th scope="col" { "Time" }
                @for (slot, _) in totals { th scope="col" { (names[*slot]) } }
            } }
            tbody {
                @for rows in columns.chunks(wide) {
                    @let from = rows.first().map_or(0.0, |row| seconds(row.0).max(0.0));
                    @let to = rows.last().map_or(0.0, |row| seconds(row.1));
                    tr {
                        th scope="row" {
                            (Unit::Seconds.label(from)) " to " (Unit::Seconds.label(to))
                        }
                        @for (slot, _) in totals {
                            td { (count(rows.iter().map(|row| row.2[*slot]).sum::<u64>())) }
                        }
                    }
                }
            }
        }
    }
}
