//! ephtrace's outputs: events in several formats, summaries, pages, tables.

pub(crate) mod counted;
pub(crate) mod escape;
pub mod events;
pub mod files;
pub(crate) mod human_bytes;
pub mod kind;
pub mod metrics;
pub mod notices;
pub mod page;
pub mod paper;
pub mod progress;
pub mod screen;
pub mod sink;
pub mod stream;
pub mod stuck;
pub mod summary;
mod table;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod view;
pub mod watch;
pub(crate) mod width;

pub(crate) use self::escape::printable;
pub use self::{
    events::{Events, Output},
    files::PendingFile,
    kind::{Kind, write_object},
    notices::Notices,
    paper::Paper,
    screen::{Plot, Screen, set_colour},
    sink::Sink,
    stream::{
        Format, build,
        csv::CsvSink,
        json::JsonSink,
        lines::{Lines, Target},
        text::TextSink,
    },
    view::View,
    watch::Watch,
};
pub(crate) use crate::model::human_duration;
