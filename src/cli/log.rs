//! Where log lines go: text for a terminal, text with priorities for systemd's journal.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Log lines of this program from `info` on, of its dependencies from `warn` on, unless
/// `REDIVIS_DROP_LOG` says otherwise.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("REDIVIS_DROP_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,redivis_drop=info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // it would say on the same stderr that stderr is gone, and panic there
        .log_internal_errors(false);
    // a second start in one process is a mistake that costs log lines, nothing else
    let _ = if env::var_os("JOURNAL_STREAM").is_some() {
        builder.event_format(WithPriority::new()).try_init().is_ok()
    } else {
        let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
        builder
            .with_target(false)
            .with_ansi(colour)
            .try_init()
            .is_ok()
    };
}

/// `<N>` before each line tells systemd's journal how bad it is; the journal has the time itself.
struct WithPriority(Format<tracing_subscriber::fmt::format::Full, ()>);

impl WithPriority {
    fn new() -> Self {
        let format = tracing_subscriber::fmt::format();
        Self(
            format
                .without_time()
                .with_level(false)
                .with_target(false)
                .with_ansi(false),
        )
    }
}

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Format<tracing_subscriber::fmt::format::Full, ()>: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
