//! What a file is called in its table, by the template of its watch.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::name::remote_name;
use super::{Sighting, WatchName};

/// What a template may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The path below the drop folder.
    RelativePath,
    /// The name of the watch.
    Watch,
    /// The last step of the path.
    FileName,
    /// The same without its extension.
    Stem,
    /// The extension without its dot; empty if there is none.
    Ext,
    /// The day on which the file was last modified, in UTC: the same for the same version, whenever
    /// and wherever it is asked.
    Date,
    /// The name of this machine.
    Host,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 7] = [
        Self::RelativePath,
        Self::Watch,
        Self::FileName,
        Self::Stem,
        Self::Ext,
        Self::Date,
        Self::Host,
    ];

    /// As it stands between braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RelativePath => "relative_path",
            Self::Watch => "watch",
            Self::FileName => "file_name",
            Self::Stem => "stem",
            Self::Ext => "ext",
            Self::Date => "date",
            Self::Host => "host",
        }
    }

    /// Whether two files of one watch and one day can differ in it by more than their kind.
    pub const fn tells_files_apart(self) -> bool {
        matches!(self, Self::RelativePath | Self::FileName | Self::Stem)
    }
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Stands as it is.
    Text(String),
    /// Filled in for each file.
    Field(Field),
}

/// `watch.remote_name`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// These pieces one after the other; whether they make sense is the business of who read them.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }
}

impl Default for Template {
    fn default() -> Self {
        Self(vec![Piece::Field(Field::RelativePath)])
    }
}

/// How the files of one watch are named.
#[derive(Debug, Clone)]
pub struct Naming {
    /// The template of the watch.
    pub template: Template,
    /// The watch.
    pub watch: WatchName,
    /// This machine; any bytes.
    pub host: OsString,
}

impl Naming {
    /// The remote name of this version of a file.
    ///
    /// What is filled in is escaped as a path is (see [`remote_name`]), and all but the path
    /// stays within one step. A step that comes out empty is left out, and one that would be `.` or `..` is
    /// escaped, so that whatever the file is called, its name can be used.
    pub fn name(&self, file: &Sighting) -> String {
        let mut name = String::new();
        for piece in &self.template.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Field(field) => name.push_str(&self.fill_in(*field, file)),
            }
        }
        usable(&name)
    }

    fn fill_in(&self, field: Field, Sighting { path, seen }: &Sighting) -> String {
        match field {
            Field::RelativePath => remote_name(path),
            Field::Watch => one_step(Some(OsStr::new(self.watch.as_str()))),
            Field::FileName => one_step(path.file_name()),
            Field::Stem => one_step(path.file_stem()),
            Field::Ext => one_step(path.extension()),
            Field::Date => day(seen.mtime_ns),
            Field::Host => one_step(Some(&self.host)),
        }
    }
}

fn one_step(text: Option<&OsStr>) -> String {
    remote_name(Path::new(text.unwrap_or_default())).replace('/', "%2F")
}

fn day(mtime_ns: i64) -> String {
    // nanoseconds in 64 bits do not leave the range of dates
    let at = Timestamp::from_nanosecond(mtime_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(at).date().to_string()
}

fn usable(name: &str) -> String {
    let steps = name.split('/').filter(|step| !step.is_empty());
    let steps: Vec<_> = steps
        .map(|step| match step {
            "." => "%2E",
            ".." => "%2E%2E",
            step => step,
        })
        .collect();
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Fingerprint;
    use proptest::prelude::*;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    use Field::{Date, Ext, FileName, Host, RelativePath, Stem, Watch};

    fn file(path: &[u8], mtime_ns: i64) -> Sighting {
        let seen = Fingerprint {
            dev: 1,
            ino: 1,
            size: 1,
            mtime_ns,
            ctime_ns: 1,
        };
        Sighting {
            path: OsStr::from_bytes(path).into(),
            seen,
        }
    }

    fn naming(host: &[u8], pieces: Vec<Piece>) -> Naming {
        Naming {
            template: Template(pieces),
            watch: WatchName::new("seq-1"),
            host: OsString::from_vec(host.to_vec()),
        }
    }

    /// Fields, and texts between them.
    fn pieces(pieces: &[Result<Field, &str>]) -> Vec<Piece> {
        let each = pieces.iter().map(|piece| match piece {
            Ok(field) => Piece::Field(*field),
            Err(text) => Piece::Text((*text).into()),
        });
        each.collect()
    }

    #[test]
    fn a_field_tells_files_apart_if_two_of_a_kind_and_a_day_differ_in_it() {
        for field in Field::ALL {
            let naming = naming(b"h", vec![Piece::Field(field)]);
            let [one, other] =
                [&b"a/x.csv"[..], b"b/y.csv"].map(|path| naming.name(&file(path, 1)));
            assert_eq!(one != other, field.tells_files_apart(), "{field:?}");
        }
        let words = Field::ALL.map(Field::as_str).join(" ");
        let documented = "relative_path watch file_name stem ext date host";
        assert_eq!(words, documented, "configurations name them so");
    }

    #[test]
    fn a_name_is_made_of_what_the_template_names() {
        let leap_day = 1_709_164_800_000_000_000;
        for (template, path, want) in [
            (
                &[Ok(RelativePath)][..],
                &b"run 7/a.b.csv"[..],
                "run 7/a.b.csv",
            ),
            (
                &[Ok(Watch), Err("/"), Ok(RelativePath)],
                b"r/a",
                "seq-1/r/a",
            ),
            (&[Ok(FileName)], b"run 7/a.b.csv", "a.b.csv"),
            (
                &[
                    Ok(Date),
                    Err("/"),
                    Ok(Stem),
                    Err("-"),
                    Ok(Host),
                    Err("."),
                    Ok(Ext),
                ],
                b"r/a.b.csv",
                "2024-02-29/a.b-lab%2F1%FF.csv",
            ),
            (&[Ok(Stem), Err("|"), Ok(Ext)], b"r/.bashrc", ".bashrc|"),
            (&[Ok(Stem), Err("|"), Ok(Ext)], b"dot.", "dot|"),
            // an extension that is not there leaves no empty step
            (&[Ok(Ext), Err("/"), Ok(Stem)], b"README", "README"),
            (
                &[Err("x/"), Ok(Ext), Err("/"), Ok(Stem)],
                b"README",
                "x/README",
            ),
            (&[Ok(Stem), Err("/"), Ok(Ext)], b"README", "README"),
            // and no step that leads elsewhere
            (&[Ok(Ext), Err("../"), Ok(Stem)], b"a", "%2E%2E/a"),
            (&[Err("."), Ok(Ext), Err("/"), Ok(Stem)], b"a", "%2E/a"),
            (
                &[Ok(FileName)],
                b"r/latin\xe9 100%41\n",
                "latin%E9 100%2541%0A",
            ),
        ] {
            let naming = naming(b"lab/1\xff", pieces(template));
            assert_eq!(naming.name(&file(path, leap_day)), want, "{template:?}");
        }
    }

    #[test]
    fn a_date_is_that_of_the_file_in_utc() {
        for (mtime_ns, want) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (86_399_999_999_999, "1970-01-01"),
            (86_400_000_000_000, "1970-01-02"),
            (i64::MAX, "2262-04-11"),
            (i64::MIN, "1677-09-21"),
        ] {
            assert_eq!(day(mtime_ns), want);
        }
    }

    fn any_piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            proptest::sample::select(&Field::ALL[..]).prop_map(Piece::Field),
            proptest::sample::select(&["/", ".", "..", "%2"][..])
                .prop_map(|text| Piece::Text(text.into())),
            "[a-z./%]{1,4}".prop_map(Piece::Text),
        ]
    }

    fn any_host() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..9)
    }

    fn any_step() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'.'), Just(b'%'), Just(b'2'), any::<u8>()];
        proptest::collection::vec(byte, 1..7).prop_map(|mut step| {
            step.retain(|byte| !b"/\0".contains(byte));
            if matches!(&step[..], b"" | b"." | b"..") {
                step.push(b'x');
            }
            step
        })
    }

    proptest! {
        #[test]
        fn any_file_gets_a_name_that_can_be_used(
            pieces in proptest::collection::vec(any_piece(), 0..6),
            place in 0_usize..6,
            telling in proptest::sample::select(&[RelativePath, FileName, Stem][..]),
            steps in proptest::collection::vec(any_step(), 1..4),
            host in any_host(),
            mtime_ns in any::<i64>(),
        ) {
            let mut pieces = pieces;
            pieces.insert(place.min(pieces.len()), Piece::Field(telling));
            let naming = naming(&host, pieces);
            let name = naming.name(&file(&steps.join(&b'/'), mtime_ns));
            prop_assert!(!name.is_empty());
            prop_assert!(!name.split('/').any(|step| matches!(step, "" | "." | "..")), "{name:?}");
            prop_assert!(!name.chars().any(char::is_control), "{name:?}");
        }

        #[test]
        fn no_field_but_the_path_brings_in_a_step(
            field in proptest::sample::select(&Field::ALL[1..]),
            steps in proptest::collection::vec(any_step(), 1..4),
            host in any_host(),
        ) {
            let template = vec![Piece::Text("a".into()), Piece::Field(field), Piece::Text("b".into())];
            let name = naming(&host, template).name(&file(&steps.join(&b'/'), 0));
            prop_assert!(!name.contains('/'), "{name:?}");
        }

        #[test]
        fn any_path_keeps_the_name_that_it_always_had(
            steps in proptest::collection::vec(any_step(), 1..5),
        ) {
            let file = file(&steps.join(&b'/'), 0);
            let naming = naming(b"", Template::default().0);
            prop_assert_eq!(naming.name(&file), remote_name(&file.path));
        }
    }
}
