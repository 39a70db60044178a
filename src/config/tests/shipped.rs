//! The shipped file is the documentation: complete, and what it says is so.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::*;

pub(super) const SHIPPED: &str = include_str!("../../../config/redivis-drop.toml");

#[test]
fn the_shipped_file_holds_every_key_with_the_default_of_the_code() {
    let shipped = read(SHIPPED)
        .map_err(|problems| problems.to_string())
        .unwrap();
    assert_eq!(shipped, read(WATCH).unwrap());

    let mut notes = Notes::default();
    read::read_into(&mut notes, Path::new(""), SHIPPED, &Environment::default());
    let known = notes
        .known()
        .iter()
        .map(|(section, key)| (*section, (*key).to_owned()));
    let mut known = known.collect::<BTreeSet<_>>();
    // none is there by default; the next test looks at what is shown of it
    known.remove(&("", "account".to_owned()));
    assert_eq!(keys_of(SHIPPED), known);
}

#[test]
fn the_shipped_file_shows_an_account_with_the_defaults_of_the_code() {
    let shown = SHIPPED.lines().skip_while(|line| *line != "# [account.eu]");
    let shown = shown.take_while(|line| line.starts_with("# "));
    let shown: Vec<_> = shown.map(|line| &line[2..]).collect();
    assert_eq!(shown.len(), 5, "{shown:?}");
    let watch = WATCH.replace("name =", "account = \"eu\"\nname =");
    let whole = read(&format!("{}\n{watch}", shown.join("\n"))).unwrap();
    let short = read(&format!("[account.eu]\n{watch}")).unwrap();
    assert_eq!(whole, short);
    assert_eq!(whole.accounts[0].name, "eu");
}

/// What is left to Redivis has no default that could stand there: the section is shown as a comment, whole.
#[test]
fn the_shipped_file_shows_the_options_of_an_import_and_they_are_right() {
    let from = SHIPPED.find("#   [watch.tabular]").unwrap();
    let shown = SHIPPED[from..]
        .lines()
        .map_while(|line| line.strip_prefix("#   "));
    let shown: Vec<_> = shown.collect();
    let config = WATCH.replacen("[[watch]]", "[[watch]]\nkind = \"tabular\"", 1);
    let config = format!("{config}{}\n", shown.join("\n"));
    let watch = read(&config)
        .map_err(|problems| problems.to_string())
        .unwrap();
    let Tabular {
        format,
        has_header_row,
        skip_bad_records,
        has_quoted_newlines,
        allow_jagged_rows,
        quote_character,
        escape_character,
        delimiter,
        null_markers,
    } = watch.watches[0].tabular.clone();
    assert!(format.is_some() && null_markers.is_some());
    let truths = [
        has_header_row,
        skip_bad_records,
        has_quoted_newlines,
        allow_jagged_rows,
    ];
    assert!(truths.iter().all(Option::is_some));
    let characters = [quote_character, escape_character, delimiter];
    assert!(characters.iter().all(Option::is_some));
}

/// Every key of the file with its section; those of the root have the section "".
fn keys_of(text: &str) -> BTreeSet<(&str, String)> {
    const SECTIONS: [&str; 6] = ["redivis", "journal", "transfer", "retry", "status", "watch"];
    let root = DeTable::parse(text).unwrap().into_inner();
    let mut keys = BTreeSet::new();
    for (name, value) in &root {
        let name: &str = name.get_ref();
        keys.insert(("", name.to_owned()));
        let section = SECTIONS
            .into_iter()
            .find(|section| *section == name)
            .unwrap();
        let table = match value.get_ref() {
            DeValue::Array(watches) => watches.first().unwrap().get_ref(),
            table => table,
        };
        keys.extend(
            table
                .as_table()
                .unwrap()
                .keys()
                .map(|key| (section, key.get_ref().to_string())),
        );
    }
    keys
}
