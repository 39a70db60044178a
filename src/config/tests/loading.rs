//! The file itself: missing, of another encoding, or any text at all.

use std::fs;

use proptest::prelude::*;

use super::shipped::SHIPPED;
use super::*;

#[test]
fn a_file_that_cannot_be_read_says_which_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let said = || {
        let error = load(&file, &Environment::default())
            .unwrap_err()
            .to_string();
        error.replace(dir.path().to_str().unwrap(), "DIR")
    };
    assert_eq!(
        said(),
        "cannot read the configuration DIR/config.toml: No such file or directory (os error 2)\n  \
         hint: name it with --config or REDIVIS_DROP_CONFIG; config/redivis-drop.toml is one to start from"
    );
    fs::write(&file, b"[retry]\n# f\xfcr").unwrap();
    assert_eq!(
        said(),
        "DIR/config.toml:2:4: the byte 0xFC is no UTF-8\n  hint: save the file in UTF-8"
    );
    fs::write(&file, vec![b'\n'; 2 << 20]).unwrap();
    assert_eq!(
        said(),
        "DIR/config.toml:1:1: the file is larger than 1 MiB\n  hint: is it a configuration?"
    );
    fs::write(&file, WATCH).unwrap();
    assert_eq!(load(&file, &Environment::default()).unwrap().file, file);
}

#[test]
fn the_environment_names_the_file_when_nobody_else_does() {
    let mut env = Environment::default();
    assert_eq!(
        default_path(&env),
        Path::new("/etc/redivis-drop/config.toml")
    );
    env.config = Some("/srv/drop.toml".into());
    assert_eq!(default_path(&env), Path::new("/srv/drop.toml"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = read(&text).map_err(|problems| problems.to_string());
    }

    /// Text that is nearly a configuration gets further than any text.
    #[test]
    fn no_mangled_configuration_makes_the_reader_panic(
        lines in proptest::collection::vec(
            (proptest::sample::select(SHIPPED.lines().chain(WATCH.lines()).collect::<Vec<_>>()), 0..60_usize, ".{0,4}"),
            0..40,
        ),
    ) {
        let text: String = lines
            .into_iter()
            .map(|(line, cut, noise)| {
                let cut = line.floor_char_boundary(cut);
                if noise.len() == 4 { format!("{line}\n") } else { format!("{}{noise}{}\n", &line[..cut], &line[cut..]) }
            })
            .collect();
        let _ = read(&text).map_err(|problems| problems.to_string());
    }

    #[test]
    fn no_value_makes_the_reader_panic(
        key in proptest::sample::select(vec!["settle", "path", "table", "include", "name", "priority", "remote_name"]),
        value in prop_oneof![any::<String>().prop_map(|text| format!("{text:?}")), any::<i128>().prop_map(|n| n.to_string()), any::<f64>().prop_map(|n| format!("{n:?}"))],
    ) {
        let text = format!("[[watch]]\n{key} = {value}");
        let _ = read(&text).map_err(|problems| problems.to_string());
    }
}
