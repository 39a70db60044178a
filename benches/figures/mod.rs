//! Medians, and one line for each figure beside its bar.

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// Only shown.
    None,
}

/// All lines that were printed.
#[derive(Debug, Default)]
pub struct Table {
    missed: usize,
}

impl Table {
    /// Prints how busy the machine is, and what the lines will be.
    pub fn new() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("unknown");
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        println!("{processors} processors; load before the first run: {load}\n");
        println!(
            "{:<26} {:>14} {:>14} {:>9}  {:<9} ",
            "figure", "ours", "theirs", "ratio", "bar"
        );
        Self::default()
    }

    /// A figure that is a ratio of two; `ours` and `theirs` say them with their units.
    pub fn ratio(&mut self, name: &str, ours: &str, theirs: &str, ratio: f64, bar: Bar) {
        self.line(name, ours, theirs, &format!("{ratio:.2}x"), ratio, bar);
    }

    /// A figure that stands for itself.
    pub fn figure(&mut self, name: &str, shown: &str, value: f64, bar: Bar) {
        self.line(name, shown, "", "", value, bar);
    }

    /// A figure that cannot be had here, and why. It counts as missed.
    pub fn unavailable(&mut self, name: &str, why: &str) {
        self.missed += 1;
        println!("{name:<26} MISSED: not available: {why}");
    }

    /// Figures that missed their bar.
    pub fn missed(&self) -> usize {
        self.missed
    }

    fn line(&mut self, name: &str, ours: &str, theirs: &str, ratio: &str, value: f64, bar: Bar) {
        let (bar, verdict) = match bar {
            Bar::AtLeast(least) => (format!(">= {least}"), Some(value >= least)),
            Bar::AtMost(most) => (format!("<= {most}"), Some(value <= most)),
            Bar::None => (String::new(), None),
        };
        self.missed += usize::from(verdict == Some(false));
        let verdict = match verdict {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        };
        println!("{name:<26} {ours:>14} {theirs:>14} {ratio:>9}  {bar:<9} {verdict}");
    }
}

/// Something that does not concern us is lacking.
pub fn skipped(name: &str, why: &str) {
    println!("{name:<26} skipped: {why}");
}

/// More about the line above.
pub fn note(text: &str) {
    println!("    {text}");
}

/// The middle one; of an even number, the mean of the middle two. 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// A count as a number to compute with.
#[expect(
    clippy::cast_precision_loss,
    reason = "the counts of a bench are small"
)]
pub fn number(count: u64) -> f64 {
    count as f64
}
