//! Walks the parsed file section by section, notes what is wrong, and goes on.
//!
//! Not a serde mirror: serde stops at the first mistake and loses positions. A [`Section`]
//! learns which keys are known by being asked for them; what nobody asked for is unknown.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::not_yet;
use super::problem::{Lines, Place, Problem, Problems};
use super::value::{Complaint, Reading, wrong_kind};

type Value<'a> = &'a Spanned<DeValue<'a>>;

/// What one reading has found so far.
#[derive(Default)]
pub(super) struct Notes {
    problems: Vec<(At, Complaint)>,
    remarks: Vec<(At, Complaint)>,
    known: BTreeSet<(&'static str, &'static str)>,
    unknown: Vec<Unknown>,
}

#[derive(Clone, Copy)]
enum At {
    Byte(usize),
    Environment(&'static str),
}

struct Unknown {
    section: &'static str,
    key: String,
    byte: usize,
    is_section: bool,
}

impl Notes {
    /// Something is wrong with the text itself.
    pub(super) fn problem(&mut self, byte: usize, complaint: Complaint) {
        self.problems.push((At::Byte(byte), complaint));
    }

    /// Something is legal but probably not meant.
    pub(super) fn remark(&mut self, byte: usize, complaint: Complaint) {
        self.remarks.push((At::Byte(byte), complaint));
    }

    /// Every key that was asked for, with its section.
    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeSet<(&'static str, &'static str)> {
        &self.known
    }

    /// Problems first, remarks second.
    pub(super) fn finish(mut self, file: &Path, text: &str) -> (Problems, Problems) {
        for unknown in std::mem::take(&mut self.unknown) {
            let complaint = self.about(&unknown);
            self.problem(unknown.byte, complaint);
        }
        let place = |at| match at {
            At::Byte(byte) => Lines(text).place(byte),
            At::Environment(name) => Place::Environment(name),
        };
        let gather = |list: Vec<(At, Complaint)>| {
            let problems = list
                .into_iter()
                .map(|(at, Complaint { what, hint })| Problem {
                    place: place(at),
                    what,
                    hint,
                });
            Problems::new(file, problems.collect())
        };
        (gather(self.problems), gather(self.remarks))
    }

    fn about(&self, unknown: &Unknown) -> Complaint {
        let key = unknown.key.as_str();
        let kind = if unknown.is_section { "section" } else { "key" };
        let complaint = Complaint::new(format!("unknown {kind} `{}`", key.escape_debug()));
        let here = || {
            self.known
                .iter()
                .filter(|(section, _)| *section == unknown.section)
        };
        if let Some((_, name)) = here()
            .filter(|(_, name)| alike(name, key) >= 0.8)
            .max_by(|(_, one), (_, other)| alike(one, key).total_cmp(&alike(other, key)))
        {
            return complaint.hint(format!("did you mean `{name}`?"));
        }
        let homes: Vec<_> = self
            .known
            .iter()
            .filter(|(_, name)| *name == key)
            .map(|(section, _)| heading(section))
            .collect();
        if !homes.is_empty() {
            return complaint.hint(format!("`{key}` belongs into {}", homes.join(" or ")));
        }
        let names: Vec<_> = here().map(|(_, name)| *name).collect();
        complaint.hint(format!("known here: {}", names.join(", ")))
    }
}

/// How alike two names are, 0 ..= 1; from 0.8 on one may be the other with a slip.
pub(super) fn alike(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other)
}

fn heading(section: &str) -> String {
    match section {
        "" => "the top of the file".to_owned(),
        "watch" => "[[watch]]".to_owned(),
        "account" => "[account.NAME]".to_owned(),
        "schedule" => "[[transfer.schedule]]".to_owned(),
        "tabular" => "[watch.tabular]".to_owned(),
        section => format!("[{section}]"),
    }
}

/// One table of the file, or one that is not there: then every key has its default.
pub(super) struct Section<'a, 'n> {
    name: &'static str,
    byte: usize,
    table: Option<&'a DeTable<'a>>,
    notes: &'n mut Notes,
}

impl<'a, 'n> Section<'a, 'n> {
    /// The file itself; its keys are the sections.
    pub(super) fn root(table: &'a DeTable<'a>, notes: &'n mut Notes) -> Self {
        Self {
            name: "",
            byte: 0,
            table: Some(table),
            notes,
        }
    }

    /// `[name]`
    pub(super) fn section(&mut self, name: &'static str) -> Section<'a, '_> {
        let value = self.find(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            let expected = format!("a section {}", heading(name));
            let hint = format!("write {} once, in single brackets", heading(name));
            self.complain(
                name,
                value,
                wrong_kind(&expected, value.get_ref()).hint(hint),
            );
        }
        Section {
            name,
            byte: value.map_or(0, |value| value.span().start),
            table,
            notes: self.notes,
        }
    }

    /// `[name.ANY]`, each handed to `read` with what stands for ANY.
    pub(super) fn sections_by_name(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&str, Section<'a, '_>),
    ) {
        let Some(value) = self.find(name) else {
            return;
        };
        let expected = format!("sections {}", heading(name));
        let hint = format!("write {}, with a name of your own", heading(name));
        let Some(table) = value.get_ref().as_table() else {
            let complaint = wrong_kind(&expected, value.get_ref()).hint(hint);
            self.complain(name, value, complaint);
            return;
        };
        for (key, item) in table {
            if let Some(table) = item.get_ref().as_table() {
                let section = Section {
                    name,
                    byte: key.span().start,
                    table: Some(table),
                    notes: self.notes,
                };
                read(key.get_ref(), section);
            } else {
                let complaint = wrong_kind(&expected, item.get_ref()).hint(hint.clone());
                self.complain(key.get_ref(), item, complaint);
            }
        }
    }

    /// `[[name]]`, each handed to `read`; at least one is needed.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        read: impl FnMut(Section<'a, '_>) -> T,
    ) -> Vec<T> {
        let byte = self
            .find(name)
            .map_or(self.byte, |value| value.span().start);
        let is_empty = self.find(name).is_none_or(|value| {
            let list = value.get_ref().as_array();
            list.is_some_and(|list| list.is_empty())
        });
        if is_empty {
            self.notes.problem(byte, none_of(name));
        }
        self.sections_if_any(name, read)
    }

    /// `[[name]]`, each handed to `read`.
    pub(super) fn sections_if_any<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(Section<'a, '_>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.find(name) else {
            return Vec::new();
        };
        let expected = format!("sections {}", heading(name));
        let hint = format!("write {}, in double brackets", heading(name));
        let Some(list) = value.get_ref().as_array() else {
            let complaint = wrong_kind(&expected, value.get_ref()).hint(hint);
            self.complain(name, value, complaint);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in list {
            let byte = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => found.push(read(Section {
                    name,
                    byte,
                    table: Some(table),
                    notes: self.notes,
                })),
                other => {
                    let complaint = wrong_kind(&expected, other).hint(hint.clone());
                    self.complain(name, item, complaint);
                }
            }
        }
        found
    }

    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none_or(toml::map::Map::is_empty)
    }

    /// The key's value; `None` if it is not there or wrong, and then that is noted.
    pub(super) fn get<T: PartialEq>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue) -> Reading<T>,
    ) -> Option<T> {
        let value = self.find(key)?;
        match read(value.get_ref()) {
            Ok(found) => {
                if let Some(complaint) = not_yet::refuse(self.name, key, &found, read) {
                    self.complain(key, value, complaint);
                }
                Some(found)
            }
            Err(complaint) => {
                self.complain(key, value, complaint);
                None
            }
        }
    }

    /// As [`Self::get`], and a missing key is noted.
    pub(super) fn need<T: PartialEq>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl Fn(&DeValue) -> Reading<T>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            let complaint = Complaint::new(format!("`{key}` is missing")).hint(format!(
                "every {} needs one: {key} = {example:?}",
                heading(self.name)
            ));
            self.notes.problem(self.byte, complaint);
        }
        self.get(key, read)
    }

    /// A list; wrong items are noted each for itself, and then there is no list.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl Fn(&DeValue) -> Reading<T>,
    ) -> Option<Vec<T>> {
        let value = self.find(key)?;
        let Some(list) = value.get_ref().as_array() else {
            let expected = format!("a list such as {example}");
            let complaint = wrong_kind(&expected, value.get_ref()).hint("lists stand in brackets");
            self.complain(key, value, complaint);
            return None;
        };
        let mut found = Vec::new();
        for item in list {
            match read(item.get_ref()) {
                Ok(one) => found.push(one),
                Err(complaint) => self.complain(key, item, complaint),
            }
        }
        (found.len() == list.len()).then_some(found)
    }

    /// Notes a problem of a key that only shows beside other values.
    pub(super) fn blame(&mut self, key: &'static str, complaint: Complaint) {
        let complaint = about_key(key, complaint);
        self.notes.problem(self.byte_of(key), complaint);
    }

    /// Notes a problem of the section as a whole.
    pub(super) fn blame_itself(&mut self, complaint: Complaint) {
        self.notes.problem(self.byte, complaint);
    }

    /// Where the section stands.
    pub(super) fn byte(&self) -> usize {
        self.byte
    }

    /// Notes a problem of an environment variable that overrides one of this section's keys.
    pub(super) fn blame_environment(&mut self, name: &'static str, complaint: Complaint) {
        self.notes.problems.push((At::Environment(name), complaint));
    }

    /// Notes what is legal but probably not meant.
    pub(super) fn remark(&mut self, key: &'static str, complaint: Complaint) {
        let at = At::Byte(self.byte_of(key));
        self.notes.remarks.push((at, about_key(key, complaint)));
    }

    /// Whether the key is there, rightly or wrongly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Where the key's value stands; where the section stands if it has none.
    pub(super) fn byte_of(&self, key: &str) -> usize {
        let value = self.table.and_then(|table| table.get(key));
        value.map_or(self.byte, |value| value.span().start)
    }

    /// Notes the keys that nobody asked for. To be called when all were.
    pub(super) fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            if !self
                .notes
                .known
                .contains(&(self.name, key.get_ref().as_ref()))
            {
                self.notes.unknown.push(Unknown {
                    section: self.name,
                    key: key.get_ref().to_string(),
                    byte: key.span().start,
                    is_section: value.get_ref().is_table(),
                });
            }
        }
    }

    fn find(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.notes.known.insert((self.name, key));
        self.table?.get(key)
    }

    fn complain(&mut self, key: &str, value: Value, complaint: Complaint) {
        self.notes
            .problem(value.span().start, about_key(key, complaint));
    }
}

fn about_key(key: &str, complaint: Complaint) -> Complaint {
    let what = format!("`{key}`: {}", complaint.what);
    Complaint { what, ..complaint }
}

fn none_of(name: &str) -> Complaint {
    Complaint::new(format!("there is no [[{name}]]")).hint(format!(
        "at least one is needed: [[{name}]] with name, path and table"
    ))
}
