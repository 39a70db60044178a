//! `redivis-drop receipts`

use std::io::{self, Write as _};
use std::path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::arguments::{Format, Receipts};
use super::check::{self, say};
use super::error::{Exit, Failure};
use super::jobs::read_md5;
use super::{runtime, text};
use crate::config::{Config, Environment, Redivis};
use crate::job::{address, printable};
use crate::journal::{Reader, Receipt, ReceiptFilter};
use crate::receipts::{Answer, Finding, VerifyError, safe_to_delete, verify};
use crate::status::ReceiptReport;

/// So many doubts are named, one by one.
const MOST_DOUBTS: usize = 20;

pub(super) fn receipts(
    config: &Config,
    env: &Environment,
    asked: &Receipts,
) -> Result<Exit, Failure> {
    let filter = filter(asked)?;
    let reader = Reader::open(&config.journal.path)?;
    if !reader.has_receipts()? {
        let why = "an older redivis-drop wrote this journal, and it has no receipts yet";
        return Err(Failure::new(Exit::Journal, why).hint("start this version's daemon once"));
    }
    let home = reader.home()?;
    // a daemon of this version has not run yet: the next one will be at home where it is configured to go
    let home = home.unwrap_or_else(|| config.redivis.endpoint.to_string());
    let config = &config.at_home(&home);
    if let Some(path) = &asked.safe_to_delete {
        return may_go(config, &reader, path);
    }
    if asked.verify {
        return hold_against_tables(config, env, (&reader, &home), &filter);
    }
    match list(&reader, &filter, asked.format) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Fine),
    }
}

// ---- which

fn filter(asked: &Receipts) -> Result<ReceiptFilter, Failure> {
    let md5 = asked.md5.as_deref().map(read_md5).transpose()?;
    let since = asked.since.as_deref().map(moment).transpose()?;
    let until = asked.until.as_deref().map(moment).transpose()?;
    Ok(ReceiptFilter {
        path: asked.path.clone(),
        md5,
        table: asked.table.clone(),
        watch: asked.watch.clone(),
        since: since.map(|(first, _)| first),
        before: until.map(|(_, next)| next),
        ..ReceiptFilter::default()
    })
}

/// A time on the command line, and the first one after it: the journal counts milliseconds. A day is as long as it is.
fn moment(text: &str) -> Result<(Timestamp, Timestamp), Failure> {
    let wrong = || {
        Failure::new(Exit::Usage, format!("`{text}` is no time"))
            .hint("write it like 2026-01-31 or 2026-01-31T23:59:00Z")
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        let next = at.checked_add(SignedDuration::from_millis(1));
        return Ok((at, next.map_err(|_| wrong())?));
    }
    // it would read a time of day, and drop it
    if text.contains(['T', 't', ' ']) {
        return Err(wrong());
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    let begins = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let next = day.tomorrow().and_then(begins).map_err(|_| wrong())?;
    Ok((begins(day).map_err(|_| wrong())?, next))
}

// ---- listing

/// Streams: a journal may hold millions.
fn list(reader: &Reader, filter: &ReceiptFilter, format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    match format {
        Format::Csv => {
            let mut rows = csv::WriterBuilder::new()
                .has_headers(false)
                .from_writer(&mut out);
            // also where no line follows
            rows.write_record(ReceiptReport::FIELDS).map_err(io_error)?;
            let read = reader.receipts(filter, |receipt| {
                written = rows
                    .serialize(ReceiptReport::from(receipt))
                    .map_err(io_error);
                written.is_ok()
            });
            written?;
            read.map_err(io::Error::other)?;
            rows.flush()?;
        }
        Format::Ndjson => {
            let read = reader.receipts(filter, |receipt| {
                let report = ReceiptReport::from(receipt);
                written = serde_json::to_writer(&mut out, &report)
                    .map_err(io::Error::from)
                    .and_then(|()| out.write_all(b"\n"));
                written.is_ok()
            });
            written?;
            read.map_err(io::Error::other)?;
        }
    }
    out.flush()
}

/// With its kind, so that a closed pipe is known as one.
fn io_error(error: csv::Error) -> io::Error {
    error.into()
}

// ---- against the tables

fn hold_against_tables(
    config: &Config,
    env: &Environment,
    (reader, home): (&Reader, &str),
    filter: &ReceiptFilter,
) -> Result<Exit, Failure> {
    let mut said = Ok(());
    let tell = |finding| {
        if said.is_ok() {
            said = say(&finding_text(&finding, home));
        }
    };
    let client_of = |table: &str| {
        let account = account_of(config, table);
        let client = |account| check::client(account, env);
        account.map(client).transpose()
    };
    let (tally, failed) = runtime()?.block_on(verify(reader, client_of, filter, tell))?;
    said?;
    let [there, by_size, replaced, wrong] =
        [tally.there, tally.by_size, tally.replaced, tally.wrong].map(text::exact);
    let mut summary = vec![format!("{there} receipts are true")];
    if tally.by_size > 0 {
        summary.push(format!("{by_size} of them by size alone, having no md5"));
    }
    if tally.replaced > 0 {
        summary.push(format!("{replaced} were replaced by newer ones of ours"));
    }
    summary.push(format!("{wrong} are not"));
    let summary = summary.join(", ");
    say(&summary)?;
    match failed {
        // whoever calls this can tell what is wrong from what could not be asked
        Some(failure) => Err(failure),
        None if tally.wrong == 0 => Ok(Exit::Fine),
        None => Ok(Exit::SomeFailed),
    }
}

/// Who is asked for a table: whose watch goes there, or else whose endpoint it is.
fn account_of<'a>(config: &'a Config, table: &str) -> Option<&'a Redivis> {
    let all = || std::iter::once(&config.redivis).chain(&config.accounts);
    let watch = config.watches.iter().find(|watch| watch.table == table);
    let by_watch = watch.and_then(|watch| all().find(|account| account.name == watch.account));
    let (endpoint, _) = address::parts(table);
    let goes_there = |account: &&Redivis| match endpoint {
        Some(endpoint) => account.is_elsewhere && account.endpoint.as_str() == endpoint,
        None => !account.is_elsewhere,
    };
    by_watch
        .or_else(|| config.accounts_in_use().find(goes_there))
        .or_else(|| all().find(goes_there))
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Journal(error) => error.into(),
            VerifyError::Api(error) => Self::new(check::exit(&error), error.to_string()),
        }
    }
}

/// `home`: that of the journal.
fn finding_text(finding: &Finding, home: &str) -> String {
    let about = |receipt: &Receipt| {
        let Receipt {
            remote_name,
            table,
            seen,
            md5,
            path,
            job,
            ..
        } = receipt;
        let md5 = md5.map_or_else(|| "none".to_owned(), |md5| md5.to_string());
        format!(
            "{remote_name:?} in {table} (job {job}, from {}, {} bytes, md5 {md5})",
            printable(path),
            seen.size
        )
    };
    match finding {
        Finding::Missing(receipt) => format!("missing: {}", about(receipt)),
        Finding::Altered(receipt, size, md5) => format!(
            "altered: {}: the table has {size} bytes and md5 {md5} by that name",
            about(receipt)
        ),
        Finding::Untold(receipt) => format!(
            "not proven: {}: the table has rows by that name, and does not tell size and md5",
            about(receipt)
        ),
        Finding::NoAccount(table, receipts) => {
            let (endpoint, table) = address::parts(table);
            let endpoint = endpoint.unwrap_or(home);
            format!(
                "not proven: {receipts} receipts of {table} at {endpoint}: no account of the configuration goes there. \
                 Write an [account.NAME] with endpoint = {endpoint:?} and a token_file"
            )
        }
        Finding::NoTable(table, receipts, why) => {
            format!("not proven: {receipts} receipts of {table}: {why}")
        }
    }
}

// ---- against the files

fn may_go(config: &Config, reader: &Reader, asked: &path::Path) -> Result<Exit, Failure> {
    // without looking at it: a link is not followed
    let whole = path::absolute(asked)?;
    match safe_to_delete(config, reader, &whole)? {
        Answer::Yes { files, bytes } => {
            let what = match files {
                1 => "it is".to_owned(),
                _ => format!("all {} files are", text::exact(files as u64)),
            };
            let path = printable(&whole);
            let bytes = text::bytes(bytes);
            say(&format!(
                "yes: {path}: {what} in the table by receipt, with the md5 of now ({bytes})"
            ))?;
            Ok(Exit::Fine)
        }
        Answer::No(doubts) => {
            for doubt in doubts.iter().take(MOST_DOUBTS) {
                say(&format!("no: {}: {}", printable(&doubt.path), doubt.why))?;
            }
            if doubts.len() > MOST_DOUBTS {
                let more = text::exact((doubts.len() - MOST_DOUBTS) as u64);
                say(&format!("no: and {more} more"))?;
            }
            Ok(Exit::SomeFailed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_and_a_day_is_all_of_it() {
        for (text, first, next) in [
            ("2026-01-31", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
            (
                "2026-01-31T12:00:00+01:00",
                "2026-01-31T11:00:00Z",
                "2026-01-31T11:00:00.001Z",
            ),
        ] {
            let (from, to) = moment(text).unwrap();
            assert_eq!(
                (from.to_string(), to.to_string()),
                (first.into(), next.into())
            );
        }
        for text in ["", "yesterday", "2026-13-01", "2026-01-31T12:00:00"] {
            assert!(moment(text).is_err(), "{text:?}");
        }
    }
}
