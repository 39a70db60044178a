//! The import: counts the rows of a delimited file honestly, and fails as Redivis would.

use std::io::{self, BufRead, BufReader};
use std::sync::Arc;

use super::books::{ImportOptions, ImportState, Upload};
use super::ledger::Entry;
use super::room::Room;

/// Runs one import to its end, in the blocking pool. A disk that fails is a failed import.
pub(super) async fn run(room: Arc<Room>, table: String, slug: String) {
    let upload = room.ledger.read(|books| {
        let table = books.table(&table);
        table.and_then(|table| table.uploads.get(&slug).cloned())
    });
    let Some(upload) = upload else {
        return;
    };
    begin(&room, &table, &slug);
    let reading = Arc::clone(&room);
    let state = tokio::task::spawn_blocking(move || read(&reading, &upload)).await;
    let state = state.unwrap_or_else(|error| failed(error.to_string()));
    note(&room, &table, &slug, state);
}

/// An import is running from now on.
pub(super) fn begin(room: &Room, table: &str, slug: &str) {
    note(room, table, slug, ImportState::Running);
}

fn note(room: &Room, table: &str, slug: &str, state: ImportState) {
    let entry = Entry::Import {
        table: table.to_owned(),
        slug: slug.to_owned(),
        state,
    };
    // A ledger that cannot be written leaves the import where it was, to be run again.
    let _ = room.ledger.commit(vec![entry]);
}

/// Every import that was not finished when the server stopped.
pub(super) fn unfinished(room: &Room) -> Vec<(String, String)> {
    room.ledger.read(|books| {
        let each = books.tables().flat_map(|(key, table)| {
            let open = table.uploads.iter().filter(|(_, upload)| {
                matches!(upload.state, ImportState::Queued | ImportState::Running)
            });
            open.map(move |(slug, _)| (key.clone(), slug.clone()))
        });
        each.collect()
    })
}

fn failed(message: String) -> ImportState {
    ImportState::Failed { message }
}

fn read(room: &Room, upload: &Upload) -> ImportState {
    let Some(format) = Format::of(&upload.name, &upload.options) else {
        return ImportState::Completed { rows: None, bad: 0 };
    };
    let counted = room
        .blobs
        .read(&upload.stored.blob, 0)
        .map_err(|error| error.to_string())
        .and_then(|file| count(BufReader::new(file), format));
    match counted {
        Ok((rows, bad)) => ImportState::Completed {
            rows: Some(rows),
            bad,
        },
        Err(message) => failed(message),
    }
}

/// How a delimited file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    delimiter: u8,
    quote: u8,
    escape: u8,
    header: bool,
    jagged: bool,
    skip_bad: bool,
}

impl Format {
    /// `None`: a type whose rows are not counted here, such as Parquet.
    fn of(name: &str, options: &ImportOptions) -> Option<Self> {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        // the number of a name that was taken is no part of it
        let ending = ending.split('-').next().unwrap_or(ending);
        let kind = options.kind.as_deref().unwrap_or(ending);
        let kind = kind.to_ascii_lowercase();
        if !matches!(kind.as_str(), "delimited" | "csv" | "tsv" | "txt") {
            return None;
        }
        let tabbed = kind == "tsv" || ending.eq_ignore_ascii_case("tsv");
        let byte = |text: &Option<String>, usual: u8| {
            let byte = text.as_ref().and_then(|text| text.bytes().next());
            byte.unwrap_or(usual)
        };
        let quote = byte(&options.quote_character, b'"');
        Some(Self {
            delimiter: byte(&options.delimiter, if tabbed { b'\t' } else { b',' }),
            quote,
            escape: byte(&options.escape_character, quote),
            header: options.has_header_row.unwrap_or(true),
            jagged: options.allow_jagged_rows.unwrap_or(false),
            skip_bad: options.skip_bad_records.unwrap_or(false),
        })
    }
}

/// Some programs begin a file with it; it is no content.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rows (without the header) and bad rows. The first row says how many columns there are; the
/// error names the first row that has another number of them.
fn count(mut file: impl BufRead, format: Format) -> Result<(u64, u64), String> {
    let (mut rows, mut bad, mut number) = (0, 0, 0);
    let mut columns = None;
    let marked = file.fill_buf().map_err(text)?.starts_with(BYTE_ORDER_MARK);
    file.consume(if marked { BYTE_ORDER_MARK.len() } else { 0 });
    let mut bytes = file.bytes();
    while let Some(fields) = record(&mut bytes, format).map_err(text)? {
        number += 1;
        let expected = *columns.get_or_insert(fields);
        let good = fields == expected || (format.jagged && fields < expected);
        match (good, number == 1 && format.header) {
            (true, false) => rows += 1,
            (true, true) => {}
            (false, _) if format.skip_bad => bad += 1,
            (false, _) => {
                return Err(format!(
                    "row {number} has {fields} columns, the first row has {expected}"
                ));
            }
        }
    }
    Ok((rows, bad))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: io::Error) -> String {
    error.to_string()
}

/// Reads one record and counts its fields; blank lines are passed over. `None` at the end.
fn record(
    bytes: &mut impl Iterator<Item = io::Result<u8>>,
    format: Format,
) -> io::Result<Option<u64>> {
    let (mut fields, mut quoted, mut escaped, mut empty) = (1, false, false, true);
    for byte in bytes {
        let byte = byte?;
        if escaped {
            escaped = false;
        } else if quoted && byte == format.escape && format.escape != format.quote {
            escaped = true;
        } else if byte == format.quote {
            // A doubled quote closes and opens again: the same as if it had stayed open.
            quoted = !quoted;
        } else if quoted {
        } else if byte == format.delimiter {
            fields += 1;
        } else if byte == b'\n' {
            if empty {
                continue;
            }
            return Ok(Some(fields));
        } else if byte == b'\r' {
            continue;
        }
        empty = false;
    }
    if quoted {
        return Err(io::Error::other("a quoted field is never closed"));
    }
    Ok((!empty).then_some(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, options: &ImportOptions, text: &str) -> Result<(u64, u64), String> {
        count(text.as_bytes(), Format::of(name, options).unwrap())
    }

    #[test]
    fn rows_are_counted_without_the_header() {
        let plain = ImportOptions::default();
        let headless = ImportOptions {
            has_header_row: Some(false),
            ..ImportOptions::default()
        };
        for (name, options, text, rows) in [
            ("a.csv", &plain, "a,b\n1,2\n3,4\n", 2),
            ("a.csv", &plain, "a,b\r\n1,2\r\n\r\n3,4", 2),
            ("a.csv", &plain, "\u{feff}a,b\n\"x,\n\"\"y\",2\n", 1),
            ("a.csv", &headless, "1,2\n", 1),
            ("a.csv", &plain, "", 0),
            ("a.csv-2", &plain, "a,b\n1,2\n", 1),
            ("a.tsv", &plain, "a\tb\n1,5\t2\n", 1),
        ] {
            assert_eq!(counted(name, options, text), Ok((rows, 0)), "{text:?}");
        }
    }

    #[test]
    fn a_row_with_another_number_of_columns_fails_by_its_number() {
        let plain = ImportOptions::default();
        for (text, row) in [("a,b\n1,2\n3\n", "row 3"), ("a\n1,2\n", "row 2")] {
            let error = counted("a.csv", &plain, text).unwrap_err();
            assert!(error.starts_with(row), "{error}");
        }
        assert!(counted("a.csv", &plain, "a\n\"x\n").is_err());
    }

    #[test]
    fn bad_rows_may_be_skipped_and_short_ones_allowed() {
        let skipping = ImportOptions {
            skip_bad_records: Some(true),
            ..ImportOptions::default()
        };
        let jagged = ImportOptions {
            allow_jagged_rows: Some(true),
            ..ImportOptions::default()
        };
        let text = "a,b\n1\n1,2\n";
        assert_eq!(counted("a.csv", &skipping, text), Ok((1, 1)));
        assert_eq!(counted("a.csv", &jagged, text), Ok((2, 0)));
    }

    #[test]
    fn other_types_are_not_counted() {
        assert_eq!(Format::of("a.parquet", &ImportOptions::default()), None);
    }
}
