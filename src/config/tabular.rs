//! `[watch.tabular]`: how Redivis is to read the rows of a file. What is left out is left to Redivis.

use super::section::Section;
use super::value::{Complaint, Reading, one_of, quoted, text, truth};
use crate::job::Kind;

/// The options of an import. `None`: not said, so that Redivis decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tabular {
    /// The format; without, Redivis goes by the end of the name.
    pub format: Option<&'static str>,
    /// Whether the first row names the columns.
    pub has_header_row: Option<bool>,
    /// Whether rows that cannot be read are left out; else they fail the import.
    pub skip_bad_records: Option<bool>,
    /// Whether a quoted field may hold a line break.
    pub has_quoted_newlines: Option<bool>,
    /// Whether a row may end before its last column.
    pub allow_jagged_rows: Option<bool>,
    /// Stands around fields.
    pub quote_character: Option<char>,
    /// Stands before a character that is meant literally.
    pub escape_character: Option<char>,
    /// Stands between fields.
    pub delimiter: Option<char>,
    /// Texts that mean "no value".
    pub null_markers: Option<Vec<String>>,
}

/// Formats that Redivis imports; the empty text leaves it to the end of the name.
const FORMATS: &[(&str, Option<&str>)] = &[
    ("", None),
    ("delimited", Some("delimited")),
    ("csv", Some("csv")),
    ("tsv", Some("tsv")),
    ("ndjson", Some("ndjson")),
    ("json", Some("json")),
    ("avro", Some("avro")),
    ("parquet", Some("parquet")),
    ("orc", Some("orc")),
    ("xls", Some("xls")),
    ("xlsx", Some("xlsx")),
    ("dta", Some("dta")),
    ("sas7bdat", Some("sas7bdat")),
    ("sav", Some("sav")),
    ("geojson", Some("geojson")),
];

/// More texts than that are a mistake.
const MOST_MARKERS: usize = 100;

/// Reads the section of a watch, which only a watch of rows may have.
pub(super) fn tabular(watch: &mut Section, kind: Kind) -> Tabular {
    let mut section = watch.section("tabular");
    // an empty one says nothing, wherever it stands
    if section.is_empty() {
        return Tabular::default();
    }
    let tabular = Tabular {
        format: section.get("type", one_of(FORMATS)).flatten(),
        has_header_row: section.get("has_header_row", truth),
        skip_bad_records: section.get("skip_bad_records", truth),
        has_quoted_newlines: section.get("has_quoted_newlines", truth),
        allow_jagged_rows: section.get("allow_jagged_rows", truth),
        quote_character: section.get("quote_character", text("\"", one_character)),
        escape_character: section.get("escape_character", text("\\", one_character)),
        delimiter: section.get("delimiter", text(";", one_character)),
        null_markers: section.each("null_markers", r#"["NA"]"#, text("NA", marker)),
    };
    if tabular.delimiter.is_some() && tabular.delimiter == tabular.quote_character {
        let complaint = Complaint::new("is the `quote_character` too");
        section.blame("delimiter", complaint.hint("they must differ"));
    }
    if tabular.delimiter.is_some() && tabular.delimiter == tabular.escape_character {
        let complaint = Complaint::new("is the `escape_character` too");
        section.blame("delimiter", complaint.hint("they must differ"));
    }
    let markers = tabular.null_markers.as_ref().map_or(0, Vec::len);
    if markers > MOST_MARKERS {
        let complaint = Complaint::new(format!("{markers} texts are too many"));
        let hint = format!("write no more than {MOST_MARKERS}");
        section.blame("null_markers", complaint.hint(hint));
    }
    section.finish();
    if kind != Kind::Tabular {
        let complaint = Complaint::new("says how rows are read, and this watch carries files");
        watch.blame(
            "tabular",
            complaint.hint(r#"write kind = "tabular" above it, or remove the section"#),
        );
    }
    tabular
}

fn one_character(text: &str) -> Reading<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if one != '\n' && one != '\r' && one != '\0' => Ok(one),
        _ => Err(
            Complaint::new(format!("{} is not one character", quoted(text)))
                .hint(r#"write one, as in ";" or "\t", or remove the line"#),
        ),
    }
}

fn marker(text: &str) -> Reading<String> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(
            Complaint::new(format!("{} is no text of one line", quoted(text)))
                .hint("markers stand within a row"),
        );
    }
    Ok(text.to_owned())
}
