//! What the demo shows: a line for each event, and below them two bars, where there is a
//! terminal; else a line about the progress now and then.
//!
//! Whoever closes the pipe early has seen enough: the demo goes on, and its exit code remains.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::text;
use super::files::LARGE;

/// Without a terminal, progress is told this often.
const NOW_AND_THEN: Duration = Duration::from_secs(2);

/// How far the journal says everything is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of the large file that the server has confirmed.
    pub large: u64,
    /// Files that are in the table.
    pub arrived: usize,
}

/// Where everything is shown.
#[derive(Debug)]
pub(super) struct Screen {
    began: Instant,
    told: Instant,
    terminal: bool,
    colour: bool,
    bars: Option<Bars>,
}

#[derive(Debug)]
struct Bars {
    both: MultiProgress,
    large: ProgressBar,
    files: ProgressBar,
}

impl Screen {
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let has =
            |name| env::var_os(name).is_some_and(|value: std::ffi::OsString| !value.is_empty());
        Self {
            began: Instant::now(),
            told: Instant::now(),
            terminal,
            colour: terminal && !has("NO_COLOR"),
            bars: None,
        }
    }

    /// A line.
    pub fn say(&self, line: &str) {
        let shown = match &self.bars {
            Some(bars) => bars.both.println(line),
            None => writeln!(io::stdout(), "{line}"),
        };
        // a closed pipe: nobody is left to tell
        let _ = shown;
    }

    /// A line about what happened just now.
    pub fn event(&self, what: &str) {
        let seconds = self.began.elapsed().as_secs_f32();
        self.say(&format!("{seconds:5.1} s  {what}"));
    }

    /// What belongs to the event above.
    pub fn detail(&self, what: &str) {
        self.say(&format!("{:9}{what}", ""));
    }

    /// A line about something that was checked.
    pub fn finding(&self, is_good: bool, what: &str) {
        let (mark, code) = if is_good { ("✓", 32) } else { ("✗", 31) };
        if self.colour {
            self.say(&format!("\x1b[{code}m{mark}\x1b[0m {what}"));
        } else {
            self.say(&format!("{mark} {what}"));
        }
    }

    /// How far it is.
    pub fn progress(&mut self, progress: Progress, files: usize) {
        if self.terminal {
            let colour = self.colour;
            let bars = self.bars.get_or_insert_with(|| Bars::new(colour));
            bars.show(progress, files);
        } else if self.told.elapsed() >= NOW_AND_THEN {
            self.told = Instant::now();
            self.event(&format!(
                "… {} of {} confirmed, {} of {files} files in the table",
                text::bytes(progress.large),
                text::bytes(LARGE.size),
                progress.arrived,
            ));
        }
    }

    /// Takes the bars away.
    pub fn clear(&mut self) {
        self.bars = None;
    }
}

impl Bars {
    fn new(colour: bool) -> Self {
        let bar = if colour { "{bar:32.cyan}" } else { "{bar:32}" };
        let style = ProgressStyle::with_template(&format!("{{prefix:>20}} {bar} {{msg}}"))
            .map_or_else(
                |_| ProgressStyle::default_bar(),
                |style| style.progress_chars("━╸─"),
            );
        let both = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let name = LARGE.name.rsplit('/').next().unwrap_or(LARGE.name);
        let add = |prefix: String| {
            let bar = both.add(ProgressBar::no_length().with_style(style.clone()));
            bar.set_prefix(prefix);
            bar
        };
        let (large, files) = (add(name.to_owned()), add("files in the table".to_owned()));
        Self { both, large, files }
    }

    fn show(&self, progress: Progress, files: usize) {
        let set = |bar: &ProgressBar, at: u64, of: u64, message: String| {
            bar.set_length(of);
            bar.set_position(at);
            bar.set_message(message);
        };
        let (now, all) = (text::bytes(progress.large), text::bytes(LARGE.size));
        set(
            &self.large,
            progress.large,
            LARGE.size,
            format!("{now} of {all}"),
        );
        let (arrived, all) = (progress.arrived as u64, files as u64);
        set(&self.files, arrived, all, format!("{arrived} of {all}"));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.large.finish_and_clear();
        self.files.finish_and_clear();
        // nothing is left on the screen if that fails
        let _ = self.both.clear();
    }
}
