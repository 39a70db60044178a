//! What is said of mistakes in a `[[watch]]`.

use super::messages::said_in_a_watch;
use super::*;

#[test]
fn impossible_values_of_a_watch_are_refused_with_what_to_write_instead() {
    for (text, want) in [
        (
            "recursive = \"yes\"",
            r#"6:13: `recursive`: expected true or false, found the text "yes""#,
        ),
        (
            "include = []",
            "6:11: `include`: an empty list lets no file in",
        ),
        (
            "include = [\"a[\"]",
            r#"6:12: `include`: the pattern "a[" does not work: unclosed character class; missing ']'"#,
        ),
        (
            "exclude = [\"\"]",
            r#"6:12: `exclude`: the pattern "" matches nothing"#,
        ),
        (
            "settle = \"50ms\"",
            r#"6:10: `settle`: "50ms" is too short"#,
        ),
        (
            "max_wait = \"5s\"",
            r#"6:12: `max_wait`: "5s" is shorter than `settle`, "10s""#,
        ),
        (
            "backend = \"fsevents\"",
            r#"6:11: `backend`: "fsevents" is none of the choices"#,
        ),
        (
            "release_on = \"a/b\"",
            r#"6:14: `release_on`: "a/b" is no file name"#,
        ),
        (
            "remote_name = \"{path}\"",
            r#"6:15: `remote_name`: in "{path}", at character 1: "path" is unknown"#,
        ),
        (
            "remote_name = \"{stem\"",
            r#"6:15: `remote_name`: in "{stem", at character 1: a `{` is not closed"#,
        ),
        (
            "remote_name = \"\"",
            "6:15: `remote_name`: an empty name is no name",
        ),
        (
            "priority = 1000",
            "6:12: `priority`: 1000 is not in -100 ..= 100",
        ),
        (
            "tabular = 1",
            "6:11: `tabular`: expected a section [watch.tabular], found the number 1",
        ),
    ] {
        let said = said_in_a_watch(text);
        let line = said.lines().next().unwrap();
        assert_eq!(line, format!("config.toml:{want}"));
        assert!(said.contains("\n  hint: "), "{said}");
    }
}

#[test]
fn watches_share_neither_names_nor_folders_nor_our_own_files() {
    let watch = |name: &str, path: &str| {
        format!("[[watch]]\nname = {name:?}\npath = {path:?}\ntable = \"a.b:next.c\"\n")
    };
    let advice = "hint: each file belongs to one watch: give each a folder of its own";
    for (name, path, want) in [
        ("a", "/other", "config.toml:6:8: `name`: \"a\" is the name of the watch at 2:8 too\n  hint: the journal tells watches apart by their names: choose another".to_owned()),
        ("b", "/data/drop/", format!("config.toml:7:8: `path`: /data/drop is the folder of the watch at 3:8 too\n  {advice}")),
        ("b", "/data/drop/x", format!("config.toml:7:8: `path`: /data/drop/x lies in /data/drop, the folder of the watch at 3:8\n  {advice}")),
        ("b", "/data", format!("config.toml:7:8: `path`: /data holds /data/drop, the folder of the watch at 3:8\n  {advice}")),
        ("b", "/var/lib", "config.toml:7:8: `path`: the journal, /var/lib/redivis-drop/journal.db, lies in this folder and would be uploaded\n  hint: move one of them elsewhere".to_owned()),
        ("b", "/etc", "config.toml:7:8: `path`: the token file, /etc/redivis-drop/token, lies in this folder and would be uploaded\n  hint: move one of them elsewhere".to_owned()),
    ] {
        assert_eq!(said(&format!("{}{}", watch("a", "/data/drop"), watch(name, path))), want);
    }
    // A common beginning is no common folder.
    assert!(
        read(&format!(
            "{}{}",
            watch("a", "/data/drop"),
            watch("b", "/data/drop-2")
        ))
        .is_ok()
    );
}

#[test]
fn the_options_of_an_import_are_checked_and_belong_to_watches_of_rows() {
    let said_of_rows = |text: &str| said_in_a_watch(&format!("kind = \"tabular\"\n{text}"));
    for (text, want) in [
        (
            "[watch.tabular]\ntype = \"delimted\"",
            "8:8: `type`: \"delimted\" is none of the choices",
        ),
        (
            "[watch.tabular]\ndelimeter = \";\"",
            "8:1: unknown key `delimeter`",
        ),
        (
            "[watch.tabular]\nhas_header_row = \"yes\"",
            "8:18: `has_header_row`: expected true or false, found the text \"yes\"",
        ),
        (
            "[watch.tabular]\ndelimiter = \"||\"",
            "8:13: `delimiter`: \"||\" is not one character",
        ),
        (
            "[watch.tabular]\nquote_character = \"\"",
            "8:19: `quote_character`: \"\" is not one character",
        ),
        (
            "[watch.tabular]\nquote_character = \";\"\ndelimiter = \";\"",
            "9:13: `delimiter`: is the `quote_character` too",
        ),
        (
            "[watch.tabular]\nnull_markers = [1]",
            "8:17: `null_markers`: expected a text such as \"NA\", found the number 1",
        ),
        (
            "tabular = 1",
            "7:11: `tabular`: expected a section [watch.tabular], found the number 1",
        ),
    ] {
        let said = said_of_rows(text);
        assert_eq!(said.lines().next(), Some(&*format!("config.toml:{want}")));
        assert!(said.contains("\n  hint: "), "{said}");
    }
    assert_eq!(
        said_in_a_watch("[watch.tabular]\nhas_header_row = false"),
        "config.toml:6:1: `tabular`: says how rows are read, and this watch carries files\n  \
         hint: write kind = \"tabular\" above it, or remove the section"
    );
    assert!(read(&format!("{WATCH}tabular = {{}}")).is_ok());
}

#[test]
fn a_table_is_of_one_kind() {
    let watch = |name: &str, kind: &str| {
        format!(
            "[[watch]]\nname = {name:?}\npath = \"/{name}\"\ntable = \"a.b:next.c\"\nkind = {kind:?}\n"
        )
    };
    assert_eq!(
        said(&(watch("one", "files") + &watch("two", "tabular"))),
        "config.toml:10:8: `kind`: \"tabular\" for the table a.b:next.c, which is \"files\" at 5:8\n  \
         hint: a table lists files or has rows: give each kind a table of its own"
    );
    assert!(read(&(watch("one", "tabular") + &watch("two", "tabular"))).is_ok());
}

#[test]
fn what_becomes_of_a_file_is_said_whole_and_leads_into_no_drop_folder() {
    let watch = |name: &str, path: &str, more: &str| {
        format!("[[watch]]\nname = {name:?}\npath = {path:?}\ntable = \"a.b:next.c\"\n{more}\n")
    };
    let first = |more: &str| watch("a", "/data/drop", more);
    for (text, want) in [
        (
            first("after_upload = \"move\""),
            "5:16: `after_upload`: \"move\" needs `move_to`, which is missing",
        ),
        (
            first("move_to = \"/done\""),
            "5:11: `move_to`: nothing is moved while after_upload = \"keep\"",
        ),
        (
            first("after_upload = \"delete\"\nmove_to = \"/done\""),
            "6:11: `move_to`: nothing is moved while after_upload = \"delete\"",
        ),
        (
            first("after_upload = \"move\"\nmove_to = \"done\""),
            "6:11: `move_to`: \"done\" is not absolute",
        ),
        (
            first("after_upload = \"move\"\nmove_to = \"/data/drop\""),
            "6:11: `move_to`: /data/drop is the folder of the watch at 3:8",
        ),
        (
            first("after_upload = \"move\"\nmove_to = \"/data/drop/done\""),
            "6:11: `move_to`: /data/drop/done lies in /data/drop, the folder of the watch at 3:8",
        ),
        (
            first("after_upload = \"move\"\nmove_to = \"/data\""),
            "6:11: `move_to`: /data holds /data/drop, the folder of the watch at 3:8",
        ),
        (
            first("after_upload = \"move\"\nmove_to = \"/b/done\"") + &watch("b", "/b", ""),
            "6:11: `move_to`: /b/done lies in /b, the folder of the watch at 9:8",
        ),
        (
            first("after_upload = \"delete\"") + "[transfer]\nverify = \"crc32c\"",
            "5:16: `after_upload`: without md5 no file is moved or deleted, and verify = \"crc32c\"",
        ),
        (
            first("remove_empty_folders = true"),
            "5:24: `remove_empty_folders`: no folder gets empty while files are kept",
        ),
        (
            first("after_upload = \"delete\"\nremove_empty_folders = true"),
            "6:24: `remove_empty_folders`: only folders that go as one set are removed",
        ),
    ] {
        let said = said(&text);
        let line = said.lines().next().unwrap();
        assert_eq!(line, format!("config.toml:{want}"));
        assert!(said.contains("\n  hint: "), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    let whole = "after_upload = \"move\"\nmove_to = \"/data/drop-done\"\nrelease_on = \"Done\"\nremove_empty_folders = true";
    let config = read(&first(whole)).unwrap();
    let to = AfterUpload::Move("/data/drop-done".into());
    assert_eq!(config.watches[0].after_upload, to);
    assert_eq!(config.watches[0].emptied, Emptied::Removed);
}

#[test]
fn a_next_version_is_made_only_for_a_table_that_is_in_it() {
    let watch = |table: &str| {
        format!(
            "[[watch]]\nname = \"n\"\npath = \"/data/drop\"\ntable = \"{table}\"\ncreate_next_version = true\n"
        )
    };
    for (table, want) in [
        (
            "a.b:7br5.c",
            "config.toml:5:23: `create_next_version`: it cannot help: the table \"a.b:7br5.c\" is in the current version, \
             also when there is a next one\n  hint: write table = \"a.b:7br5:next.c\", or remove this line",
        ),
        (
            "a.b:v1_0.c",
            "config.toml:5:23: `create_next_version`: it cannot help: the table \"a.b:v1_0.c\" is in the version `v1_0`, \
             which stays as it was released\n  hint: write table = \"a.b:next.c\", or remove this line",
        ),
    ] {
        assert_eq!(said(&watch(table)), want);
    }
    let config = read(&watch("a.b:next.c")).unwrap();
    assert_eq!(config.watches[0].next_version, NextVersion::Made);
}
