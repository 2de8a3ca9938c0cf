//! `ephtrace trace`: every assignment as it happens, or those of a recording.

use std::process::ExitCode;

use anyhow::Result;

use super::settings::{
    UsageError, account, build_live_filter, build_recorded_filter, named_hook, parse,
};
use crate::{
    cli::{KernelArgs, PlotArg, TraceArgs},
    output::{Plot, View},
    pipeline::{
        self,
        settings::{DEFAULT_RING_BYTES, TraceSettings},
    },
};

/// Traces until a signal, the requested end, or an error.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn run(args: TraceArgs, log_level: u8) -> Result<ExitCode> {
    pipeline::trace(&TraceSettings::try_from(args)?, log_level)?;
    Ok(ExitCode::SUCCESS)
}

impl TryFrom<TraceArgs> for TraceSettings {
    type Error = UsageError;

    fn try_from(args: TraceArgs) -> Result<Self, UsageError> {
        let TraceArgs { from, filter, view, stop, kernel, read, verbosity } = args;
        let KernelArgs { hook, btf, no_kernel_cost, ring_size, user } = kernel;
        let ring_bytes = match ring_size {
            Some(size) => parse::ring_bytes("--ring-size", &size)?,
            None => DEFAULT_RING_BYTES,
        };
        let view_settings = View {
            since_start: view.timestamp || !view.time,
            wall_clock: view.time,
            uid: view.print_uid,
            wide: view.wide,
            explain: verbosity.verbose > 0,
            raw: view.raw,
            plot: view.plot.into(),
            quiet: verbosity.quiet,
        };
        Ok(Self {
            filter: if from.is_empty() {
                build_live_filter(&filter)?
            } else {
                build_recorded_filter(&filter)?
            },
            hook: named_hook(hook),
            user: account(user.as_deref())?,
            btf,
            ring_bytes,
            measures_cost: !no_kernel_cost,
            format: view.format,
            view: view_settings,
            output: view.output,
            mode: view.mode.map(|text| parse::mode("--mode", &text)).transpose()?,
            count: stop.count,
            duration: stop.duration.map(|d| parse::duration("--duration", &d)).transpose()?,
            from,
            max_memory: parse::max_memory(&read)?,
            record: None,
        })
    }
}

impl From<PlotArg> for Plot {
    fn from(plot: PlotArg) -> Self {
        match plot {
            PlotArg::Auto => Self::Auto,
            PlotArg::Always => Self::Always,
            PlotArg::Never => Self::Never,
        }
    }
}
