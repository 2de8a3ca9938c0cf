//! Maps values to positions on a chart, and places the ticks.

use std::fmt::Write as _;

/// Unit of an axis, for its labels. The script knows each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whole numbers with separators: 1,020,000.
    Count,
    /// Ports: 40000.
    Port,
    /// Steps with their sign: +16.
    Step,
    /// Shares of 1, shown in percent.
    Share,
    /// Seconds.
    Seconds,
    /// Nanoseconds, shown in a fitting unit.
    Nanoseconds,
    /// Whole numbers upwards and downwards from 0, both shown without a sign.
    Size,
}

impl Unit {
    /// Returns the name that the script uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Port => "port",
            Self::Step => "step",
            Self::Share => "share",
            Self::Seconds => "s",
            Self::Nanoseconds => "ns",
            Self::Size => "size",
        }
    }

    /// Returns a value as a label.
    pub(super) fn label(self, value: f64) -> String {
        let plain = short(value);
        match self {
            // Short, because there is little room at the end of an axis.
            Self::Count if value >= 1e6 && value % 1e5 == 0.0 => {
                format!("{} M", short(value / 1e6))
            }
            Self::Count => separated(&plain),
            Self::Size => separated(&short(value.abs())),
            Self::Port => plain,
            Self::Step if value > 0.0 => format!("+{plain}"),
            Self::Step => plain.replace('-', "−"),
            Self::Share => format!("{} %", short(value * 100.0)),
            Self::Seconds => format!("{} s", separated(&plain)),
            Self::Nanoseconds => time(value),
        }
    }
}

/// Maps values to positions between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Value at position 0.
    pub(super) low: f64,
    /// Value at position 1.
    pub(super) high: f64,
    /// True for a logarithmic scale; both ends are above 0.
    pub(super) log: bool,
    /// Unit of the values.
    pub(super) unit: Unit,
}

/// A label and its position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) label: String,
}

impl Scale {
    /// Returns a linear scale.
    pub(super) fn linear(low: f64, high: f64, unit: Unit) -> Self {
        Self { low, high: high.max(low + f64::EPSILON.max(low.abs() * 1e-12)), log: false, unit }
    }

    /// Returns a logarithmic scale.
    pub(super) fn log(low: f64, high: f64, unit: Unit) -> Self {
        Self { low, high: high.max(low * 1.01), log: true, unit }
    }

    /// Returns the position of `value`.
    pub(super) fn place(&self, value: f64) -> f64 {
        let Self { low, high, .. } = *self;
        if self.log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
    }

    /// Returns about `wanted` labels at round values.
    pub(super) fn ticks(&self, wanted: f64) -> Vec<Tick> {
        let values = if self.log { self.powers(wanted) } else { self.round(wanted) };
        let tick = |value: f64| Tick { place: self.place(value), label: self.unit.label(value) };
        values.into_iter().map(tick).collect()
    }

    fn round(&self, wanted: f64) -> Vec<f64> {
        let raw = (self.high - self.low) / wanted;
        let power = 10_f64.powf(raw.log10().floor());
        let mut step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= raw).unwrap_or(raw);
        if !matches!(self.unit, Unit::Seconds | Unit::Share) {
            step = step.max(1.0);
        }
        let first = (self.low / step).ceil();
        let values = (0..64).map(|n| (first + f64::from(n)) * step);
        values.take_while(|&value| value <= self.high).collect()
    }

    /// Returns powers of ten; every n-th if there are many; with few, also twice and five times
    /// each.
    fn powers(&self, wanted: f64) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let every = (decades / wanted).ceil().max(1.0);
        let times: &[f64] = if decades < wanted / 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = (self.low.log10().floor() / every).floor() * every;
        let powers = (0..32).map(|n| 10_f64.powf(first + f64::from(n) * every));
        powers
            .flat_map(|power| times.iter().map(move |m| power * m))
            .filter(|value| (self.low..=self.high).contains(value))
            .collect()
    }
}

/// Returns the value with at most three decimals, without trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Returns 1234567 as 1,234,567.
fn separated(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("−", digits));
    let whole = digits.find('.').unwrap_or(digits.len());
    let mut text = sign.to_owned();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && n < whole && (whole - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with separators.
pub(super) fn count(n: u64) -> String {
    separated(&n.to_string())
}

/// Returns nanoseconds in a fitting unit, to three digits.
fn time(ns: f64) -> String {
    let (unit, name) = match ns {
        ..1e3 => (1.0, "ns"),
        1e3..1e6 => (1e3, "µs"),
        1e6..1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = ns / unit;
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    let mut text = String::new();
    let _ = write!(text, "{value:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{text} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> String {
        let ticks = scale.ticks(5.0).into_iter();
        ticks.map(|t| format!("{}@{:.2}", t.label, t.place)).collect::<Vec<_>>().join("  ")
    }

    #[test]
    fn ticks_are_at_round_values() {
        let shown = [
            Scale::linear(1.0, 1_020_001.0, Unit::Count),
            Scale::linear(32_768.0, 61_000.0, Unit::Port),
            Scale::linear(-40.5, 40.5, Unit::Step),
            Scale::linear(0.0, 0.13, Unit::Share),
            Scale::linear(0.0, 0.9, Unit::Seconds),
            Scale::linear(0.0, 3.0, Unit::Count),
            Scale::linear(-250.0, 250.0, Unit::Size),
            Scale::log(850.0, 2.3e6, Unit::Nanoseconds),
            Scale::log(1.0, 30.0, Unit::Count),
            Scale::log(1.0, 1e12, Unit::Nanoseconds),
            Scale::linear(7.0, 7.0, Unit::Count),
        ];
        insta::assert_snapshot!(shown.map(labels).join("\n"), @r##"
        500,000@0.49  1 M@0.98
        40000@0.26  50000@0.61  60000@0.96
        −40@0.01  −20@0.25  0@0.50  +20@0.75  +40@0.99
        0 %@0.00  5 %@0.38  10 %@0.77
        0 s@0.00  0.2 s@0.22  0.4 s@0.44  0.6 s@0.67  0.8 s@0.89
        0@0.00  1@0.33  2@0.67  3@1.00
        200@0.10  100@0.30  0@0.50  100@0.70  200@0.90
        1 µs@0.02  10 µs@0.31  100 µs@0.60  1 ms@0.89
        1@0.00  2@0.20  5@0.47  10@0.68  20@0.88
        1 ns@0.00  1 µs@0.25  1 ms@0.50  1 s@0.75  1000 s@1.00
        7@0.00
        "##);
    }
}
