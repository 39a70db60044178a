//! The shape of a table reference: `owner.dataset[:refId][:sample][:version].table[:refId]`.

use super::value::{Complaint, Reading, quoted};

const HINT: &str = r#"write "owner.dataset:next.table", as in "my_lab.sequencing:next.raw_reads""#;

/// Checks the shape; whether the table exists, only the server knows.
pub(super) fn table_reference(text: &str) -> Reading<String> {
    let complain =
        |what: String| Complaint::new(format!("{} is no table reference: {what}", quoted(text)));
    let parts: Vec<&str> = text.split('.').collect();
    let [owner, dataset, table] = parts[..] else {
        let complaint = complain("it has not three parts with dots between them".into());
        return Err(match dotted_version(&parts) {
            Some(version) => complaint.hint(format!("in a version the dot is a `_`: `{version}`")),
            None => complaint.hint(HINT),
        });
    };
    for word in [owner, dataset, table]
        .iter()
        .flat_map(|part| part.split(':'))
    {
        if let Some(bad) = word
            .chars()
            .find(|c| !c.is_alphanumeric() && !"_-".contains(*c))
        {
            return Err(complain(format!("{bad:?} may not stand in it")).hint(
                "as in the address bar: letters, digits, `_` and `-`; blanks and other marks become `_`",
            ));
        }
        if word.is_empty() {
            return Err(complain("a name is empty".into()).hint(HINT));
        }
    }
    if owner.contains(':') {
        return Err(complain("a `:` may not stand in the owner".into()).hint(HINT));
    }
    if table.split(':').count() > 2 {
        return Err(complain("the table has more than one `:`".into()).hint(HINT));
    }
    let ranks: Vec<_> = dataset.split(':').skip(1).map(rank).collect();
    if !ranks.is_sorted_by(|before, after| before < after) {
        return Err(complain("what follows the dataset is out of order".into())
            .hint("the order is dataset:refId:sample:version, each of them at most once"));
    }
    Ok(text.to_owned())
}

/// What is legal and will probably be refused by the server all the same.
pub(super) fn remark(text: &str) -> Option<Complaint> {
    let dataset = text.split('.').nth(1)?;
    let mut words = dataset.split(':');
    let name = words.next()?;
    if dataset.split(':').any(|word| word == "next") {
        return None;
    }
    let what = match words.find(|word| rank(word) == Rank::Version) {
        Some(version) => format!("{} names the version `{version}`", quoted(text)),
        None => format!(
            "{} names no version, which means the current one",
            quoted(text)
        ),
    };
    Some(Complaint::new(what).hint(format!(
        "files can only be added to a version that is not released: `{name}:next`"
    )))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    RefId,
    Sample,
    Version,
}

pub(super) fn rank(word: &str) -> Rank {
    match word {
        "sample" => Rank::Sample,
        "next" | "current" => Rank::Version,
        _ if is_numbered_version(word) => Rank::Version,
        _ => Rank::RefId,
    }
}

/// `v1_0`
fn is_numbered_version(word: &str) -> bool {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    word.strip_prefix('v')
        .and_then(|numbers| numbers.split_once('_'))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

/// `owner.dataset:v1.0.table` was meant as `owner.dataset:v1_0.table`.
fn dotted_version(parts: &[&str]) -> Option<String> {
    let [_, dataset, minor, _] = parts else {
        return None;
    };
    let version = format!("{}_{minor}", dataset.rsplit(':').next()?);
    is_numbered_version(&version).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_of_the_reference_pages_are_accepted() {
        for text in [
            "my_lab.sequencing:next.raw_reads",
            "demo.ghcn_daily_weather_data:7br5:v1_1.stations:4nck",
            "demo.ghcn:7br5:sample:v1_1.stations",
            "owner.dataset.table",
            "stanford-phs.dataset:current.table",
        ] {
            assert_eq!(table_reference(text).unwrap(), text);
        }
    }

    #[test]
    fn other_shapes_are_refused_and_say_why() {
        const NOT_THREE: &str = "it has not three parts with dots between them";
        let in_order = "the order is dataset:refId:sample:version, each of them at most once";
        for (text, what, hint) in [
            ("", NOT_THREE, HINT),
            ("sequencing.raw_reads", NOT_THREE, HINT),
            (
                "a.b:v1.0.c",
                NOT_THREE,
                "in a version the dot is a `_`: `v1_0`",
            ),
            ("a..c", "a name is empty", HINT),
            ("a.b:.c", "a name is empty", HINT),
            ("a:x.b.c", "a `:` may not stand in the owner", HINT),
            ("a.b.c:d:e", "the table has more than one `:`", HINT),
            (
                "a.b:next:7br5.c",
                "what follows the dataset is out of order",
                in_order,
            ),
            (
                "a.b:next:next.c",
                "what follows the dataset is out of order",
                in_order,
            ),
        ] {
            let complaint = table_reference(text).unwrap_err();
            assert_eq!(
                complaint.what,
                format!("{text:?} is no table reference: {what}")
            );
            assert_eq!(complaint.hint.as_deref(), Some(hint), "{text}");
        }
        let complaint = table_reference("my lab.b.c").unwrap_err();
        assert_eq!(
            complaint.what,
            r#""my lab.b.c" is no table reference: ' ' may not stand in it"#
        );
    }

    #[test]
    fn anything_but_the_next_version_earns_a_remark() {
        assert_eq!(remark("a.b:next.c"), None);
        assert_eq!(remark("a.b:7br5:next.c"), None);
        for (text, what) in [
            (
                "a.b.c",
                r#""a.b.c" names no version, which means the current one"#,
            ),
            (
                "a.b:7br5:v1_0.c",
                r#""a.b:7br5:v1_0.c" names the version `v1_0`"#,
            ),
        ] {
            let complaint = remark(text).unwrap();
            assert_eq!(complaint.what, what);
            assert_eq!(
                complaint.hint.as_deref(),
                Some("files can only be added to a version that is not released: `b:next`")
            );
        }
    }
}
