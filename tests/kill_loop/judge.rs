//! What was ever dropped, against what the table holds.

use std::collections::BTreeMap;
use std::fmt;

use crate::lab::Holding;

/// Every version of every file, the newest last: size and md5.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<String, Vec<(u64, String)>>, Option<String>);

/// How many files are not as they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The newest version is not in the table.
    pub lost: usize,
    /// A version is in the table more than once.
    pub twice: usize,
    /// Something is in the table that nobody ever dropped.
    pub mixed: usize,
}

impl Versions {
    /// A version that lies in the folder from now on.
    pub fn add(&mut self, (name, size, md5): Holding) {
        self.1 = Some(name.clone());
        self.0.entry(name).or_default().push((size, md5));
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &String> {
        self.0.keys()
    }

    /// The file that was last dropped or changed, if any was.
    pub fn latest(&self) -> Option<&String> {
        self.1.as_ref()
    }

    /// Whether the newest version of every file is in the table.
    pub fn all_arrived(&self, held: &[Holding]) -> bool {
        self.judge(held).0.lost == 0
    }

    /// The verdict, and the names that it is about.
    pub fn judge(&self, held: &[Holding]) -> (Verdict, Vec<String>) {
        let mut counts: BTreeMap<(&str, u64, &str), usize> = BTreeMap::new();
        for (name, size, md5) in held {
            *counts.entry((name, *size, md5)).or_default() += 1;
        }
        let (mut verdict, mut names) = (Verdict::default(), Vec::new());
        for (name, versions) in &self.0 {
            let newest = versions.last();
            let arrived =
                newest.is_some_and(|(size, md5)| counts.contains_key(&(name, *size, md5)));
            if !arrived {
                verdict.lost += 1;
                names.push(format!("lost: {name}"));
            }
        }
        for ((name, size, md5), count) in counts {
            let known = self.0.get(name).is_some_and(|versions| {
                versions
                    .iter()
                    .any(|version| version.0 == size && version.1 == md5)
            });
            if !known {
                verdict.mixed += 1;
                names.push(format!("mixed: {name}, {size} bytes, {md5}"));
            }
            if count > 1 {
                verdict.twice += 1;
                names.push(format!("{count} times: {name}, {size} bytes, {md5}"));
            }
        }
        (verdict, names)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lost, {} twice, {} mixed",
            self.lost, self.twice, self.mixed
        )
    }
}

#[test]
fn the_judge_knows_what_is_lost_twice_and_mixed() {
    let one = |name: &str, size, md5: &str| (name.to_owned(), size, md5.to_owned());
    let mut versions = Versions::default();
    versions.add(one("a", 1, "old"));
    versions.add(one("a", 1, "new"));
    versions.add(one("b", 2, "b"));
    let judge = |held: &[Holding]| {
        let (verdict, _) = versions.judge(held);
        (verdict.lost, verdict.twice, verdict.mixed)
    };
    let (old, new, b) = (one("a", 1, "old"), one("a", 1, "new"), one("b", 2, "b"));
    assert_eq!(judge(&[new.clone(), b.clone()]), (0, 0, 0));
    assert_eq!(judge(&[old.clone(), new.clone(), b.clone()]), (0, 0, 0));
    assert_eq!(judge(&[old.clone(), b.clone()]), (1, 0, 0));
    assert_eq!(judge(&[new.clone(), b.clone(), b.clone()]), (0, 1, 0));
    assert_eq!(judge(&[old, new, one("b", 2, "other")]), (1, 0, 1));
    assert_eq!(judge(&[]), (2, 0, 0));
}
