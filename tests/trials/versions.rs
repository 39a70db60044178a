//! Every state that the bytes of a file were ever in between two writes: each is a version that existed whole.

use std::collections::HashMap;
use std::fmt;

use md5::{Digest as _, Md5};

use crate::lab::Holding;

/// Of each file, by its name: the md5 of each version, and how often it came to be.
#[derive(Debug, Default)]
pub struct Versions(HashMap<String, File>);

#[derive(Debug, Default)]
struct File {
    all: HashMap<Sum, Made>,
    last: Sum,
    /// A write took so long that what it had done by then may have looked finished.
    had_slow_write: bool,
}

type Sum = [u8; 16];

/// How often something came to be.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    versions: usize,
    /// In the place of other bytes.
    contents: usize,
}

/// How many files or versions are not as they should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Files whose last version is not in the table.
    pub lost: usize,
    /// Contents that are in the table more often than they came to be. The same bytes with other times are
    /// recognised.
    pub twice: usize,
    /// What is in the table and never was a version of that file.
    pub mixed: usize,
    /// Such of files that had a slow write: they may be whole, as of a moment that nobody knows of.
    pub unjudged: usize,
    /// Some of them.
    pub named: Vec<String>,
}

/// So many are named.
const NAMED: usize = 10;

impl Versions {
    /// These are the bytes of the file now.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let sum: Sum = Md5::digest(content).into();
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), File::default());
        }
        let file = self.0.get_mut(name).unwrap();
        let made = file.all.entry(sum).or_default();
        made.versions += 1;
        // the same bytes with other times are a version, and are recognised
        made.contents += usize::from(file.last != sum);
        file.last = sum;
    }

    /// A write to the file took about as long as a file must be quiet.
    pub fn note_slow_write(&mut self, name: &str) {
        if let Some(file) = self.0.get_mut(name) {
            file.had_slow_write = true;
        }
    }

    /// Takes in those of other files.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> usize {
        let all = self.0.values().flat_map(|file| file.all.values());
        all.map(|made| made.versions).sum()
    }

    pub fn judge(&self, held: &[Holding]) -> Verdict {
        let mut found: HashMap<(&str, Sum), usize> = HashMap::new();
        for (name, _, md5) in held {
            *found.entry((name, parse(md5))).or_default() += 1;
        }
        let mut verdict = Verdict::default();
        for (name, file) in &self.0 {
            if !found.contains_key(&(name, file.last)) {
                verdict.lost += 1;
                verdict.name(format!("lost: {name}"));
            }
        }
        for ((name, sum), count) in found {
            let file = self.0.get(name);
            let made = file.and_then(|file| file.all.get(&sum)).copied();
            let made = made.unwrap_or_default();
            if made.versions == 0 && file.is_some_and(|file| file.had_slow_write) {
                verdict.unjudged += 1;
            } else if made.versions == 0 {
                verdict.mixed += 1;
                verdict.name(format!("mixed: {name}, {sum:02x?}"));
            } else if count > made.contents {
                verdict.twice += 1;
                verdict.name(format!("{count} times: {name}, {sum:02x?}"));
            }
        }
        verdict
    }
}

impl Verdict {
    fn name(&mut self, what: String) {
        if self.named.len() < NAMED {
            self.named.push(what);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lost,
            twice,
            mixed,
            unjudged,
            ..
        } = self;
        write!(
            f,
            "{lost} lost, {twice} twice, {mixed} mixed, {unjudged} unjudged"
        )
    }
}

fn parse(md5: &str) -> Sum {
    u128::from_str_radix(md5, 16).unwrap().to_be_bytes()
}

#[test]
fn a_version_counts_as_often_as_it_came_to_be() {
    let held = |contents: &[&str]| -> Vec<Holding> {
        let one = |content: &&str| {
            let sum = u128::from_be_bytes(Md5::digest(content).into());
            (
                "file".to_owned(),
                content.len() as u64,
                format!("{sum:032x}"),
            )
        };
        contents.iter().map(one).collect()
    };
    let mut versions = Versions::default();
    for content in ["first", "second", "second", "", "third", "", "last"] {
        versions.add("file", content.as_bytes());
    }
    assert_eq!(versions.count(), 7);
    for (contents, want) in [
        (&["last"][..], (0, 0, 0)),
        (&["", "last", ""], (0, 0, 0)),
        (&["", "last", "", ""], (0, 1, 0)),
        (&["third", "last", "third"], (0, 1, 0)),
        (&["second", "last", "second"], (0, 1, 0)),
        (&["second"], (1, 0, 0)),
        (&["sec", "last"], (0, 0, 1)),
    ] {
        let verdict = versions.judge(&held(contents));
        assert_eq!(
            (verdict.lost, verdict.twice, verdict.mixed),
            want,
            "{contents:?}"
        );
    }
    versions.note_slow_write("file");
    let verdict = versions.judge(&held(&["sec", "last"]));
    assert_eq!((verdict.mixed, verdict.unjudged), (0, 1));
}
