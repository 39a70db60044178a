//! `watch.remote_name`: text with `{placeholders}`.

use super::section::alike;
use super::value::{Complaint, Reading, quoted};
use crate::job::{Field, Piece, Template};

/// Reads a template.
pub(super) fn template(text: &str) -> Reading<Template> {
    if text.is_empty() {
        return Err(Complaint::new("an empty name is no name").hint(known()));
    }
    let pieces = pieces(text)?;
    check_steps(text)?;
    let tells_apart =
        |piece: &Piece| matches!(piece, Piece::Field(field) if field.tells_files_apart());
    if !pieces.iter().any(tells_apart) {
        return Err(
            Complaint::new(format!("{} would give many files one name", quoted(text)))
                .hint("it needs {relative_path}, {file_name} or {stem}"),
        );
    }
    Ok(Template::new(pieces))
}

fn pieces(text: &str) -> Reading<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        let brace = text.len() - behind.len();
        rest = match behind.chars().next() {
            None => break,
            Some('{') => match behind[1..].split_once('}') {
                Some((name, behind)) if !name.contains('{') => {
                    pieces.push(Piece::Field(field(text, brace, name)?));
                    behind
                }
                _ => return Err(at(text, brace, "a `{` is not closed").hint(known())),
            },
            Some(_) => {
                let complaint = at(text, brace, "a `}` closes nothing");
                return Err(complaint.hint("braces stand around placeholders only"));
            }
        };
    }
    Ok(pieces)
}

fn field(text: &str, brace: usize, name: &str) -> Reading<Field> {
    let same = |field: &Field| field.as_str() == name;
    if let Some(field) = Field::ALL.into_iter().find(same) {
        return Ok(field);
    }
    let complaint = at(text, brace, &format!("{} is unknown", quoted(name)));
    let likeness = |field: &Field| alike(field.as_str(), name);
    let like = Field::ALL
        .into_iter()
        .filter(|field| likeness(field) >= 0.8)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    Err(complaint.hint(match like {
        Some(field) => format!("did you mean {{{}}}?", field.as_str()),
        None => known(),
    }))
}

/// The steps between the slashes, each as it stands.
fn check_steps(text: &str) -> Reading<()> {
    if let Some((byte, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        let complaint = at(text, byte, "a control character cannot stand in a name");
        return Err(complaint.hint("leave it out"));
    }
    let mut byte = 0_usize;
    for step in text.split('/') {
        let (what, hint) = match step {
            "" if byte == 0 => (
                "there is nothing before the `/`",
                "names are relative to the table: leave the leading `/` out",
            ),
            "" => (
                "there is nothing behind the `/`",
                "write each `/` between two names",
            ),
            "." | ".." => (
                "a step that is only dots leads elsewhere",
                "write the name that is meant",
            ),
            _ => ("", ""),
        };
        if !what.is_empty() {
            return Err(at(
                text,
                byte.saturating_sub(usize::from(step.is_empty())),
                what,
            )
            .hint(hint));
        }
        byte += step.len() + 1;
    }
    Ok(())
}

fn at(text: &str, byte: usize, what: &str) -> Complaint {
    let character = text[..byte].chars().count() + 1;
    Complaint::new(format!(
        "in {}, at character {character}: {what}",
        quoted(text)
    ))
}

fn known() -> String {
    let names = Field::ALL.map(Field::as_str);
    format!("known are {{{}}}", names.join("}, {"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_texts_and_fields() {
        let text = |text: &str| Piece::Text(text.into());
        for (written, want) in [
            ("{relative_path}", vec![Piece::Field(Field::RelativePath)]),
            (
                "{watch}/ä {date}/{stem}.{ext}",
                vec![
                    Piece::Field(Field::Watch),
                    text("/ä "),
                    Piece::Field(Field::Date),
                    text("/"),
                    Piece::Field(Field::Stem),
                    text("."),
                    Piece::Field(Field::Ext),
                ],
            ),
            (
                "{host}{file_name}",
                vec![Piece::Field(Field::Host), Piece::Field(Field::FileName)],
            ),
        ] {
            assert_eq!(template(written), Ok(Template::new(want)));
        }
        assert_eq!(template("{relative_path}"), Ok(Template::default()));
    }

    #[test]
    fn what_makes_no_names_is_refused_with_its_place() {
        let known =
            "known are {relative_path}, {watch}, {file_name}, {stem}, {ext}, {date}, {host}";
        for (written, what, hint) in [
            ("", "an empty name is no name", known),
            (
                "ä/{file_nam}",
                r#"in "ä/{file_nam}", at character 3: "file_nam" is unknown"#,
                "did you mean {file_name}?",
            ),
            (
                "{stem}{}",
                r#"in "{stem}{}", at character 7: "" is unknown"#,
                known,
            ),
            (
                "{stem}-{run}",
                r#"in "{stem}-{run}", at character 8: "run" is unknown"#,
                known,
            ),
            (
                "{stem",
                r#"in "{stem", at character 1: a `{` is not closed"#,
                known,
            ),
            (
                "{{stem}}",
                r#"in "{{stem}}", at character 1: a `{` is not closed"#,
                known,
            ),
            (
                "{stem}}",
                r#"in "{stem}}", at character 7: a `}` closes nothing"#,
                "braces stand around placeholders only",
            ),
            (
                "{watch}/{date}.{ext}",
                r#""{watch}/{date}.{ext}" would give many files one name"#,
                "it needs {relative_path}, {file_name} or {stem}",
            ),
            (
                "/{stem}",
                r#"in "/{stem}", at character 1: there is nothing before the `/`"#,
                "names are relative to the table: leave the leading `/` out",
            ),
            (
                "a//{stem}",
                r#"in "a//{stem}", at character 2: there is nothing behind the `/`"#,
                "write each `/` between two names",
            ),
            (
                "{stem}/",
                r#"in "{stem}/", at character 7: there is nothing behind the `/`"#,
                "write each `/` between two names",
            ),
            (
                "a/../{stem}",
                r#"in "a/../{stem}", at character 3: a step that is only dots leads elsewhere"#,
                "write the name that is meant",
            ),
            (
                "./{stem}",
                r#"in "./{stem}", at character 1: a step that is only dots leads elsewhere"#,
                "write the name that is meant",
            ),
            (
                "a\t{stem}",
                r#"in "a\t{stem}", at character 2: a control character cannot stand in a name"#,
                "leave it out",
            ),
        ] {
            let complaint = template(written).unwrap_err();
            assert_eq!(complaint.what, what);
            assert_eq!(complaint.hint.as_deref(), Some(hint), "{written}");
        }
    }
}
