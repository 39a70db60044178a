//! `redivis-drop jobs`

use std::io::{self, Write};

use super::arguments::{Jobs, OneJob};
use super::error::{Exit, Failure};
use super::text;
use crate::config::Config;
use crate::engine::this_moment;
use crate::job::{JobId, Md5, StateName};
use crate::journal::{Filter, Reader};
use crate::status::{HistoryReport, JobReport};

pub(super) fn jobs(config: &Config, asked: &Jobs) -> Result<Exit, Failure> {
    let reader = Reader::open(&config.journal.path)?;
    let shown = match asked.one {
        Some(OneJob::Show { id }) => show(&reader, JobId(id), asked.json)?,
        None => list(&reader, &filter(asked)?, asked.json),
    };
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Fine),
    }
}

fn filter(asked: &Jobs) -> Result<Filter, Failure> {
    let mut filter = Filter {
        watch: asked.watch.clone(),
        path: asked.path.clone(),
        limit: asked.limit,
        ..Filter::default()
    };
    for name in &asked.state {
        match StateName::parse(name) {
            Some(state) => filter.states.push(state),
            None if name == "waiting" => filter.waiting = true,
            None => {
                let known: Vec<_> = StateName::ALL.iter().map(|state| state.as_str()).collect();
                return Err(
                    Failure::new(Exit::Usage, format!("there is no state `{name}`"))
                        .hint(format!("the states are {}, and waiting", known.join(", "))),
                );
            }
        }
    }
    if let Some(md5) = &asked.md5 {
        filter.md5 = Some(read_md5(md5)?.0);
    }
    Ok(filter)
}

/// An md5 on the command line.
pub(super) fn read_md5(text: &str) -> Result<Md5, Failure> {
    Md5::parse(text).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{text}` is {error}"))
            .hint("as md5sum prints it: 32 hex digits")
    })
}

/// Streams: a journal may hold millions.
fn list(reader: &Reader, filter: &Filter, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let now = this_moment();
    let mut written = Ok(());
    let read = reader.jobs(filter, |row| {
        let job = JobReport::new(row, &now);
        written = if json {
            write_json(&mut out, &job)
        } else {
            write_line(&mut out, &job)
        };
        written.is_ok()
    });
    written?;
    read.map_err(io::Error::other)?;
    out.flush()
}

fn write_json(out: &mut impl Write, report: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    out.write_all(b"\n")
}

fn write_line(out: &mut impl Write, job: &JobReport) -> io::Result<()> {
    let waiting = job
        .next_attempt_at
        .filter(|_| job.attempts > 0 && job.finished_at.is_none());
    let state = if waiting.is_some() {
        "waiting"
    } else {
        job.state
    };
    write!(
        out,
        "{:>7}  {state:<11}  {:>9}  {}/{}",
        job.id,
        text::bytes(job.size),
        job.watch,
        job.path
    )?;
    if let Some(error) = &job.error {
        write!(out, "  ({error})")?;
    }
    writeln!(out)
}

fn show(reader: &Reader, id: JobId, json: bool) -> Result<io::Result<()>, Failure> {
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let mut found = None;
    reader.jobs(&filter, |row| {
        found = Some(JobReport::new(row, &this_moment()));
        false
    })?;
    let Some(job) = found else {
        return Err(Failure::new(Exit::Usage, format!("there is no job {id}"))
            .hint("`redivis-drop jobs` lists them"));
    };
    let history: Vec<HistoryReport> = reader.history(id)?.into_iter().map(Into::into).collect();
    let mut out = io::stdout().lock();
    if json {
        let mut report = serde_json::to_value(&job).map_err(io::Error::from)?;
        report["history"] = serde_json::to_value(&history).map_err(io::Error::from)?;
        return Ok(write_json(&mut out, &report));
    }
    let shown = write_line(&mut out, &job).and_then(|()| {
        let mut by = None;
        history.iter().try_for_each(|line| {
            // once for what one start of the daemon did
            if let Some(who) = &line.by
                && by.replace(who) != Some(who)
            {
                writeln!(out, "  by {who}")?;
            }
            let note = line.note.as_deref().unwrap_or_default();
            writeln!(out, "  {}  {:<11}  {note}", text::time(line.at), line.state)
        })
    });
    Ok(shown)
}
