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

/// A configuration, or problems that each stand somewhere in the text, in its order, on lines of their own.
fn is_read_or_explained(text: &str) -> Result<(), TestCaseError> {
    let problems = match read(text) {
        Ok(config) => {
            prop_assert!((1..=256).contains(&config.transfer.workers));
            prop_assert!(config.transfer.chunk_size.is_multiple_of(256 * 1024));
            prop_assert!(config.retry.initial <= config.retry.max);
            prop_assert!(!config.watches.is_empty());
            config.remarks
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty(), "refused without a reason");
            problems
        }
    };
    are_in_the_text(&problems, text)
}

fn are_in_the_text(problems: &Problems, text: &str) -> Result<(), TestCaseError> {
    let lines: Vec<_> = text.split('\n').collect();
    let mut before = (1, 1);
    for problem in problems {
        let Place::File { line, column } = problem.place else {
            return Err(TestCaseError::fail("nothing came from the environment"));
        };
        prop_assert!(before <= (line, column), "out of order: {problems}");
        before = (line, column);
        let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
        prop_assert!(
            (1..=width + 1).contains(&column) && line <= lines.len(),
            "{problem:?}"
        );
        let said = format!(
            "{}{}",
            problem.what,
            problem.hint.as_deref().unwrap_or_default()
        );
        prop_assert!(!said.chars().any(char::is_control), "{said:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_explained(text in any::<String>()) {
        is_read_or_explained(&text)?;
    }

    #[test]
    fn any_bytes_are_text_or_the_place_where_they_are_not(bytes: Vec<u8>, start in "[a-z\\[\\]=\n\"ü]{0,30}") {
        let bytes = [start.as_bytes(), &bytes].concat();
        match text(Path::new("config.toml"), &bytes) {
            Ok(text) => prop_assert_eq!(text.as_bytes(), &bytes),
            Err(problems) => {
                prop_assert_eq!(problems.len(), 1);
                are_in_the_text(&problems, &String::from_utf8_lossy(&bytes))?;
            }
        }
    }

    /// Text that is nearly a configuration gets further than any text.
    #[test]
    fn any_mangled_configuration_is_read_or_explained(
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
        is_read_or_explained(&text)?;
    }

    #[test]
    fn any_value_is_read_or_explained(
        key in proptest::sample::select(vec!["settle", "path", "table", "include", "name", "priority", "remote_name"]),
        value in prop_oneof![any::<String>().prop_map(|text| format!("{text:?}")), any::<i128>().prop_map(|n| n.to_string()), any::<f64>().prop_map(|n| format!("{n:?}"))],
    ) {
        is_read_or_explained(&format!("[[watch]]\n{key} = {value}"))?;
    }
}
