//! The books: temp uploads, sessions, tables, files and uploads, as the ledger's entries add up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blobs::Sums;
use super::ledger::Entry;
use super::session::Session;

/// All that is known, by id.
#[derive(Debug, Default)]
pub(super) struct Books {
    temps: HashMap<String, Temp>,
    sessions: BTreeMap<String, Arc<Session>>,
    tables: BTreeMap<String, Table>,
    files: HashMap<String, Arc<RawFile>>,
    datasets: HashMap<String, Dataset>,
}

/// A temp upload.
#[derive(Debug, Clone)]
pub(super) struct Temp {
    /// What its URL holds besides the id.
    pub secret: String,
    /// The reserved size in bytes.
    pub size: u64,
    /// Whether it takes sessions (and no plain PUT).
    pub resumable: bool,
    /// The object, once there is one.
    pub stored: Option<Stored>,
    /// Whether a table holds it already.
    pub used: bool,
}

/// An object that is complete.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Where its bytes are.
    pub blob: String,
    /// Their checksums.
    pub sums: Sums,
}

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Made by being named; the first registration or import decides.
    Open,
    /// Files.
    FileIndex,
    /// Imported rows.
    Tabular,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// What it may hold.
    pub kind: Kind,
    /// Registered files, in the order of registration.
    pub files: Vec<Arc<RawFile>>,
    /// Uploads by slug (the name with `_` for `.`).
    pub uploads: BTreeMap<String, Upload>,
    /// When a file was registered last, microseconds since 1970.
    pub changed_us: i64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            kind: Kind::Open,
            files: Vec::new(),
            uploads: BTreeMap::new(),
            changed_us: 0,
        }
    }
}

/// A registered file.
#[derive(Debug)]
pub(super) struct RawFile {
    /// Its id.
    pub id: String,
    /// Its name in the table; may hold `/`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Its content.
    pub stored: Stored,
    /// When it was registered, microseconds since 1970.
    pub added_us: i64,
}

/// A file to be imported, or imported, as rows.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Its content.
    pub stored: Stored,
    /// How to read it.
    pub options: ImportOptions,
    /// How far the import is.
    pub state: ImportState,
}

/// How the rows of an upload are to be read: the fields of `POST uploads`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ImportOptions {
    /// `delimited`, `csv`, `ndjson`, …; `None`: by the name's ending.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether the first row names the columns; default yes.
    pub has_header_row: Option<bool>,
    /// Bad rows are counted, not fatal.
    pub skip_bad_records: Option<bool>,
    /// A quoted field may hold a line break.
    pub has_quoted_newlines: Option<bool>,
    /// A row may be shorter than the first.
    pub allow_jagged_rows: Option<bool>,
    /// Default `"`.
    pub quote_character: Option<String>,
    /// Default: none but a doubled quote.
    pub escape_character: Option<String>,
    /// Default `,` (a tab for `.tsv`).
    pub delimiter: Option<String>,
}

/// Where an import stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ImportState {
    /// Not begun.
    Queued,
    /// Being read.
    Running,
    /// All rows are in.
    Completed {
        /// Rows without the header; `None` if the type is not one that is counted here.
        rows: Option<u64>,
        /// Rows that were skipped.
        bad: u64,
    },
    /// It could not be read.
    Failed {
        /// Why, with the row's number.
        message: String,
    },
}

impl ImportState {
    /// Whether the rows could not be read.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A dataset's versions, as far as they matter for uploads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dataset {
    /// The current version is released, hence closed.
    pub released: bool,
    /// There is an unreleased next version behind a released one.
    pub next: bool,
    /// How often it was released: the number of its current version.
    pub releases: u32,
}

impl Dataset {
    /// Whether there is a version that takes files.
    pub(super) fn has_unreleased(self) -> bool {
        !self.released || self.next
    }

    /// What the version is called that was released last.
    pub(super) fn current(self) -> Option<String> {
        // books of before say nothing of it
        self.released
            .then(|| format!("v{}.0", self.releases.max(1)))
    }
}

impl Books {
    /// A temp upload.
    pub(super) fn temp(&self, id: &str) -> Option<&Temp> {
        self.temps.get(id)
    }

    /// A session, also a complete one.
    pub(super) fn session(&self, id: &str) -> Option<&Arc<Session>> {
        self.sessions.get(id)
    }

    /// Every session that has not ended.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.values()
    }

    /// A table that was used or made.
    pub(super) fn table(&self, key: &str) -> Option<&Table> {
        self.tables.get(key)
    }

    /// Every table, by name.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&String, &Table)> {
        self.tables.iter()
    }

    /// A registered file.
    pub(super) fn file(&self, id: &str) -> Option<&Arc<RawFile>> {
        self.files.get(id)
    }

    /// A dataset; one that was never mentioned is unreleased.
    pub(super) fn dataset(&self, key: &str) -> Dataset {
        self.datasets.get(key).copied().unwrap_or_default()
    }

    /// Takes a fact in. Facts about what is not there any more are passed over.
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Temp {
                id,
                secret,
                size,
                resumable,
            } => {
                let temp = Temp {
                    secret,
                    size,
                    resumable,
                    stored: None,
                    used: false,
                };
                self.temps.insert(id, temp);
            }
            Entry::Stored { temp, blob, sums } => {
                if let Some(temp) = self.temps.get_mut(&temp) {
                    temp.stored = Some(Stored { blob, sums });
                }
            }
            Entry::Resized { temp, size } => {
                if let Some(temp) = self.temps.get_mut(&temp) {
                    temp.size = size;
                }
            }
            Entry::Table { table, kind } => self.tables.entry(table).or_default().kind = kind,
            Entry::File {
                id,
                table,
                name,
                temp,
                added_us,
            } => self.add_file(id, &table, name, &temp, added_us),
            Entry::Dataset {
                dataset,
                released,
                next,
                releases,
            } => {
                let state = Dataset {
                    released,
                    next,
                    releases,
                };
                self.datasets.insert(dataset, state);
            }
            entry @ (Entry::Session { .. }
            | Entry::Persisted { .. }
            | Entry::Complete { .. }
            | Entry::SessionEnd { .. }) => self.apply_to_session(entry),
            entry => self.apply_to_upload(entry),
        }
    }

    fn apply_to_session(&mut self, entry: Entry) {
        match entry {
            Entry::Session {
                id,
                temp,
                blob,
                opened_ms,
            } => {
                let size = self.temps.get(&temp).map_or(0, |temp| temp.size);
                let session = Session::new(id.clone(), temp, blob, size, opened_ms);
                self.sessions.insert(id, Arc::new(session));
            }
            Entry::Persisted { session, bytes } => {
                if let Some(session) = self.sessions.get(&session) {
                    session.set_persisted(bytes);
                }
            }
            Entry::Complete { session } => {
                if let Some(session) = self.sessions.get(&session) {
                    let temp = self.temps.get(session.temp());
                    session.set_complete(temp.and_then(|temp| temp.stored.as_ref()));
                }
            }
            Entry::SessionEnd { session } => {
                self.sessions.remove(&session);
            }
            _ => {}
        }
    }

    fn apply_to_upload(&mut self, entry: Entry) {
        match entry {
            Entry::Upload {
                id,
                table,
                name,
                slug,
                temp,
                options,
            } => {
                let Some(temp) = self.temps.get_mut(&temp) else {
                    return;
                };
                let Some(stored) = temp.stored.clone() else {
                    return;
                };
                temp.used = true;
                let upload = Upload {
                    id,
                    name,
                    size: temp.size,
                    stored,
                    options,
                    state: ImportState::Queued,
                };
                let table = self.tables.entry(table).or_default();
                table.kind = Kind::Tabular;
                table.uploads.insert(slug, upload);
            }
            Entry::Import { table, slug, state } => {
                let table = self.tables.get_mut(&table);
                if let Some(upload) = table.and_then(|table| table.uploads.get_mut(&slug)) {
                    upload.state = state;
                }
            }
            Entry::UploadGone { table, slug } => {
                if let Some(table) = self.tables.get_mut(&table) {
                    table.uploads.remove(&slug);
                }
            }
            _ => {}
        }
    }

    fn add_file(&mut self, id: String, table: &str, name: String, temp: &str, added_us: i64) {
        let Some(temp) = self.temps.get_mut(temp) else {
            return;
        };
        let Some(stored) = temp.stored.clone() else {
            return;
        };
        temp.used = true;
        let file = Arc::new(RawFile {
            id: id.clone(),
            name,
            size: temp.size,
            stored,
            added_us,
        });
        if !self.tables.contains_key(table) {
            self.tables.insert(table.to_owned(), Table::default());
        }
        if let Some(table) = self.tables.get_mut(table) {
            table.kind = Kind::FileIndex;
            table.changed_us = table.changed_us.max(added_us);
            table.files.push(Arc::clone(&file));
        }
        self.files.insert(id, file);
    }
}
