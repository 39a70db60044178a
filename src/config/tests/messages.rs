//! What people read when the configuration is wrong, word for word.

use super::*;

/// What is said about lines put before a good watch.
fn said_before_a_watch(text: &str) -> String {
    said(&format!("{text}{WATCH}"))
}

/// What is said about lines put at the end of a good watch, the first of them being line 6.
pub(super) fn said_in_a_watch(text: &str) -> String {
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
