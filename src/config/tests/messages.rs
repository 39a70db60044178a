//! What people read when the configuration is wrong, word for word.

use super::*;

/// What is said about lines put before a good watch.
fn said_before_a_watch(text: &str) -> String {
    said(&format!("{text}{WATCH}"))
}

/// What is said about lines put at the end of a good watch, the first of them being line 6.
fn said_in_a_watch(text: &str) -> String {
    said(&format!("{WATCH}{text}"))
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let said = said_before_a_watch(
        r#"[transfer]
workers = 0
  chunk_sise = "32 MiB"
[retry]
initial = 10
"#,
    );
    assert_eq!(
        said,
        r#"config.toml:2:11: `workers`: 0 is not in 1 ..= 256
  hint: write a number from 1 to 256, without quotes
config.toml:3:3: unknown key `chunk_sise`
  hint: did you mean `chunk_size`?
config.toml:5:11: `initial`: expected a text such as "10s", found the number 10
  hint: texts stand in double quotes"#
    );
}

#[test]
fn what_is_no_toml_is_said_before_anything_else() {
    for (text, want) in [
        (
            "[journal]\npath = /data/x\n[retri]\nmax 5\n",
            "config.toml:2:8: a text stands in quotes\n  hint: write it as in path = \"/data/drop\"\n\
             config.toml:4:5: this is no TOML: key with no value, expected `=`\n  hint: https://toml.io shows how it is written",
        ),
        (
            "[retry]\nmax = \"1s\"\nmax = \"2s\"\n",
            "config.toml:3:1: `max` stands here for the second time\n  hint: keep one of them",
        ),
        (
            "[retry]\n[retry]\n",
            "config.toml:2:2: `retry` stands here for the second time\n  hint: keep one of them",
        ),
    ] {
        assert_eq!(said(text), want);
    }
}

#[test]
fn an_unknown_key_gets_the_best_advice_there_is() {
    for (text, want) in [
        (
            "setle = \"5s\"",
            "config.toml:6:1: unknown key `setle`\n  hint: did you mean `settle`?",
        ),
        (
            "workers = 3",
            "config.toml:6:1: unknown key `workers`\n  hint: `workers` belongs into [transfer]",
        ),
        (
            "[retri]",
            "config.toml:6:2: unknown section `retri`\n  hint: did you mean `retry`?",
        ),
        (
            "[retry]\nfoo = 1",
            "config.toml:7:1: unknown key `foo`\n  hint: known here: initial, max, park_after",
        ),
        (
            "[retry]\nname = 1",
            "config.toml:7:1: unknown key `name`\n  hint: `name` belongs into [[watch]]",
        ),
        (
            "[retry]\npath = 1",
            "config.toml:7:1: unknown key `path`\n  hint: `path` belongs into [journal] or [[watch]]",
        ),
        (
            "[redivis]\ntoken = \"secret\"",
            "config.toml:7:1: unknown key `token`\n  hint: did you mean `token_file`?",
        ),
        (
            "[retry]\n\"a\\u001Bb\" = 1",
            "config.toml:7:1: unknown key `a\\u{1b}b`\n  hint: known here: initial, max, park_after",
        ),
    ] {
        assert_eq!(said_in_a_watch(text), want);
    }
}

#[test]
fn sections_have_the_right_brackets_and_the_required_keys() {
    for (text, want) in [
        (
            "",
            "config.toml:1:1: there is no [[watch]]\n  hint: at least one is needed: [[watch]] with name, path and table",
        ),
        (
            "watch = []",
            "config.toml:1:9: there is no [[watch]]\n  hint: at least one is needed: [[watch]] with name, path and table",
        ),
        (
            "[watch]\nname = \"a\"",
            "config.toml:1:1: `watch`: expected sections [[watch]], found a section\n  hint: write [[watch]], in double brackets",
        ),
        (
            "\n[[watch]]\nname = \"a\"",
            "config.toml:2:1: `path` is missing\n  hint: every [[watch]] needs one: path = \"/data/drop/sequencer-1\"\n\
             config.toml:2:1: `table` is missing\n  hint: every [[watch]] needs one: table = \"my_lab.sequencing:next.raw_reads\"",
        ),
    ] {
        assert_eq!(said(text), want);
    }
    assert_eq!(
        said_before_a_watch("[[retry]]"),
        "config.toml:1:1: `retry`: expected a section [retry], found a list\n  hint: write [retry] once, in single brackets"
    );
}

#[test]
fn impossible_values_are_refused_with_what_to_write_instead() {
    for (text, want) in [
        (
            "[redivis]\nendpoint = \"http://redivis.com\"",
            r#"2:12: `endpoint`: "http://redivis.com" would send the token unencrypted"#,
        ),
        (
            "[redivis]\nsend_token_to = [\"https://a.example\", \"http://b.example\"]",
            r#"2:39: `send_token_to`: "http://b.example" would send the token unencrypted"#,
        ),
        (
            "[redivis]\nsend_token_to = \"https://a.example\"",
            r#"2:17: `send_token_to`: expected a list such as ["https://uploads.example"], found the text "https://a.example""#,
        ),
        (
            "[redivis]\nextra_ca_file = \"ca.pem\"",
            r#"2:17: `extra_ca_file`: "ca.pem" is not absolute"#,
        ),
        (
            "[journal]\npath = \"journal.db\"",
            r#"2:8: `path`: "journal.db" is not absolute"#,
        ),
        (
            "[transfer]\nworkers = 257",
            "2:11: `workers`: 257 is not in 1 ..= 256",
        ),
        (
            "[transfer]\nworkers = \"8\"",
            r#"2:11: `workers`: expected a whole number, found the text "8""#,
        ),
        (
            "[transfer]\nresumable_above = \"100\"",
            r#"2:19: `resumable_above`: "100" has no unit"#,
        ),
        (
            "[transfer]\nchunk_size = \"100 MB\"",
            r#"2:14: `chunk_size`: "100 MB" is no multiple of 256 KiB"#,
        ),
        (
            "[transfer]\nchunk_size = \"2 GiB\"",
            r#"2:14: `chunk_size`: "2 GiB" is not in 256 KiB ..= 1 GiB"#,
        ),
        (
            "[transfer]\nverify = \"sha256\"",
            r#"2:10: `verify`: "sha256" is none of the choices"#,
        ),
        (
            "[transfer]\nbandwidth_limit = \"80 MB\"",
            r#"2:19: `bandwidth_limit`: "80 MB" is no rate"#,
        ),
        (
            "[transfer]\nbandwidth_limit = \"0 MB/s\"",
            "2:19: `bandwidth_limit`: nothing would ever arrive at this rate",
        ),
        (
            "[[transfer.schedule]]\nfrom = \"8:00\"\nto = \"18:00\"\nlimit = \"1 MB/s\"",
            r#"2:8: `from`: "8:00" is no time of the day"#,
        ),
        (
            "[[transfer.schedule]]\nfrom = \"08:00\"\nto = \"18:00\"\ndays = [\"Monday\"]\nlimit = \"1 MB/s\"",
            r#"4:9: `days`: "Monday" is no day"#,
        ),
        (
            "[transfer]\nschedule = [1]",
            "2:13: `schedule`: expected sections [[transfer.schedule]], found the number 1",
        ),
        (
            "[retry]\ninitial = \"10m\"",
            r#"2:11: `initial`: "10m" is longer than `max`, "5m""#,
        ),
        (
            "[retry]\npark_after = \"0s\"",
            r#"2:14: `park_after`: "0s" is too short"#,
        ),
        (
            "[status]\nlisten = \"0.0.0.0:7878\"",
            r#"2:10: `listen`: "0.0.0.0:7878" can be reached from other machines"#,
        ),
    ] {
        let said = said_before_a_watch(text);
        let line = said.lines().next().unwrap();
        assert_eq!(line, format!("config.toml:{want}"));
        assert!(said.contains("\n  hint: "), "{said}");
    }
}

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
fn what_is_not_built_yet_is_refused_and_its_default_is_not() {
    assert_eq!(
        said_before_a_watch(
            "[journal]\nkeep_finished = \"30d\"\n[status]\nlisten = \"127.0.0.1:7878\""
        ),
        "config.toml:4:10: `listen`: not yet: this version knows only \"\"\n  hint: remove the line, or write listen = \"\""
    );
    // The same value in another spelling is the same value.
    assert!(read(&format!("[status]\nlisten = ''{WATCH}")).is_ok());
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
fn a_table_without_a_version_is_remarked_upon_and_no_error() {
    let config = read(&WATCH.replace(":next", "")).unwrap();
    assert_eq!(
        config.remarks.to_string(),
        "config.toml:5:9: `table`: \"my_lab.sequencing.raw_reads\" names no version, which means the current one\n  \
         hint: files can only be added to a version that is not released: `sequencing:next`"
    );
    assert!(read(WATCH).unwrap().remarks.is_empty());
}

#[test]
fn the_environment_overrides_the_endpoint_and_is_checked_too() {
    let env = |endpoint: &str| Environment {
        endpoint: Some(endpoint.to_owned()),
        ..Environment::default()
    };
    let read = |text: &str, env| read::read(Path::new("config.toml"), text, &env);
    let config = read(WATCH, env("http://127.0.0.1:9000/api/v1/")).unwrap();
    assert_eq!(
        config.redivis.endpoint.as_str(),
        "http://127.0.0.1:9000/api/v1"
    );
    let text = format!("[redivis]\nendpoint = 1{WATCH}");
    let said = read(&text, env("http://redivis.com"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "config.toml:2:12: `endpoint`: expected a text such as \"https://redivis.com/api/v1\", found the number 1\n  \
         hint: texts stand in double quotes\n\
         REDIVIS_API_ENDPOINT: \"http://redivis.com\" would send the token unencrypted\n  \
         hint: write https://; plain http is for this machine only (127.0.0.1, localhost)"
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
