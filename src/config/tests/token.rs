//! Tokens, from wherever they come.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn redivis(token_file: Option<PathBuf>) -> Redivis {
    Redivis {
        name: HOME.into(),
        endpoint: "https://redivis.com/api/v1".parse().unwrap(),
        is_elsewhere: false,
        token_file,
        send_token_to: Vec::new(),
        extra_ca_file: None,
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The outcome, with the temporary folder as `DIR`.
fn outcome(dir: &TempDir, token_file: Option<&str>, env: &Environment) -> String {
    let file = token_file.map(|name| dir.path().join(name));
    let outcome = match read_token(&redivis(file), env) {
        Ok(token) => token.expose().to_owned(),
        Err(error) => error.to_string(),
    };
    outcome.replace(dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn the_credential_comes_before_the_file_and_the_file_before_the_environment() {
    let dir = TempDir::new().unwrap();
    let with_token = Environment {
        token: Some(Token::new("from-environment")),
        ..Environment::default()
    };
    let with_both = Environment {
        credentials: Some(dir.path().to_owned()),
        ..with_token.clone()
    };
    assert_eq!(outcome(&dir, None, &with_token), "from-environment");
    write(&dir.path().join("token"), "from-file\r\n", 0o600);
    assert_eq!(outcome(&dir, Some("token"), &with_both), "from-file");
    for (credential, want) in [
        ("unset", "from-file"),
        ("unset\n", "from-file"),
        ("", "from-file"),
        ("from-credential\n", "from-credential"),
    ] {
        // systemd's own files are 0400, and their mode is not our business.
        fs::write(dir.path().join(CREDENTIAL), credential).unwrap();
        assert_eq!(
            outcome(&dir, Some("token"), &with_both),
            want,
            "{credential:?}"
        );
    }
}

#[test]
fn a_token_file_that_will_not_do_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let env = Environment {
        token: Some(Token::new("not-a-fallback-for-a-broken-file")),
        ..Environment::default()
    };
    write(&dir.path().join("open"), "secret", 0o640);
    write(&dir.path().join("empty"), "\n", 0o600);
    write(&dir.path().join("two"), "secret secret", 0o600);
    write(&dir.path().join("colour"), "sec\u{1b}ret", 0o600);
    write(&dir.path().join("latin"), "sécret", 0o600);
    write(&dir.path().join("long"), &"s".repeat(20_000), 0o600);
    fs::create_dir(dir.path().join("folder")).unwrap();
    let alone = "hint: it must hold the token alone, on one line";
    for (file, want) in [
            ("absent", "the token file DIR/absent does not exist\n  hint: write the token to it, or correct `redivis.token_file`".to_owned()),
            ("open", "the token file DIR/open is open to other users (mode 640)\n  hint: chmod 600 DIR/open, and if others could read it, revoke the token and make another".to_owned()),
            ("folder", "DIR/folder is no regular file, so no token is read from it\n  hint: write the token to a file".to_owned()),
            ("empty", format!("what stands in DIR/empty is no token: it is empty\n  {alone}")),
            ("two", format!("what stands in DIR/two is no token: it holds a blank or a line break\n  {alone}")),
            ("colour", format!("what stands in DIR/colour is no token: it holds a character that is no printable ASCII\n  {alone}")),
            ("latin", format!("what stands in DIR/latin is no token: it holds a character that is no printable ASCII\n  {alone}")),
            ("long", format!("what stands in DIR/long is no token: it is too long\n  {alone}")),
        ] {
            assert_eq!(outcome(&dir, Some(file), &env), want);
        }
}

#[test]
fn a_pipe_in_place_of_the_file_does_not_hang() {
    let dir = TempDir::new().unwrap();
    let mode = Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), kind, mode, 0).unwrap();
    let said = outcome(&dir, Some("pipe"), &Environment::default());
    assert!(said.starts_with("DIR/pipe is no regular file"), "{said}");
}

#[test]
fn no_token_anywhere_names_every_place_that_was_tried() {
    let dir = TempDir::new().unwrap();
    let said = outcome(&dir, None, &Environment::default());
    assert_eq!(
        said,
        "there is no Redivis token: no systemd credential `redivis-token`, no \
             `redivis.token_file`, and REDIVIS_API_TOKEN is not set\n  hint: make a token with the \
             scope data.edit in your Redivis workspace, write it to /etc/redivis-drop/token and \
             chmod 600 it"
    );
}

#[test]
fn each_account_has_places_of_its_own_and_takes_no_token_of_another() {
    let dir = TempDir::new().unwrap();
    let mut account = Redivis {
        name: "eu-lab".into(),
        ..redivis(Some(dir.path().join("token.eu-lab")))
    };
    write(&dir.path().join(CREDENTIAL), "home", 0o600);
    let mut env = Environment {
        token: Some(Token::new("home")),
        credentials: Some(dir.path().to_owned()),
        ..Environment::default()
    };
    let said = |account: &Redivis, env: &Environment| match read_token(account, env) {
        Ok(token) => token.expose().to_owned(),
        Err(error) => error.to_string(),
    };
    let missing = said(&account, &env);
    assert!(
        missing.ends_with("correct `account.eu-lab.token_file`"),
        "{missing}"
    );
    let file = account.token_file.take();
    assert_eq!(
        said(&account, &env),
        "there is no Redivis token for the account `eu-lab`: no systemd credential \
             `redivis-token.eu-lab`, no `account.eu-lab.token_file`, and REDIVIS_API_TOKEN_EU_LAB is not \
             set\n  hint: make a token with the scope data.edit in your Redivis workspace, write it to \
             /etc/redivis-drop/token.eu-lab and chmod 600 it"
    );
    let variable = ("EU_LAB".to_owned(), Token::new("from-environment"));
    env.account_tokens.extend([variable]);
    assert_eq!(said(&account, &env), "from-environment");
    account.token_file = file;
    write(&dir.path().join("token.eu-lab"), "from-file", 0o600);
    assert_eq!(said(&account, &env), "from-file");
    write(
        &dir.path().join("redivis-token.eu-lab"),
        "from-credential",
        0o600,
    );
    assert_eq!(said(&account, &env), "from-credential");
}

#[test]
fn a_token_does_not_print_itself() {
    let env = Environment {
        token: Some(Token::new("secret")),
        ..Environment::default()
    };
    assert!(!format!("{env:?}").contains("secret"));
}

proptest! {
    #[test]
    fn any_token_file_is_a_token_to_the_letter_or_a_fault_that_does_not_repeat_it(
        bytes in prop_oneof![
            any::<Vec<u8>>(), "[!-~]{1,20}[ \t\r\n]{0,3}".prop_map(String::into_bytes),
            "[!-~]{1,40}(\r|\n){0,3}".prop_map(String::into_bytes),
            "[!-~]{1,9}[ -~é\u{1b}\t]?[!-~]{0,9}".prop_map(String::into_bytes),
        ],
    ) {
        let text = String::from_utf8_lossy(&bytes);
        let bare: Vec<u8> = {
            let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |at| at + 1);
            bytes[..end].to_vec()
        };
        let good = !bare.is_empty() && bare.iter().all(|byte| (b'!'..=b'~').contains(byte));
        match checked(&text, || "the file".to_owned()) {
            Ok(token) => {
                prop_assert!(good);
                prop_assert_eq!(token.expose().as_bytes(), &bare);
                prop_assert_eq!(format!("{token:?}"), "Token(…)");
            }
            Err(error) => {
                prop_assert!(!good);
                let said = error.to_string();
                let faults = ["empty", "too long", "a blank or a line break", "no printable ASCII"];
                prop_assert!(faults.iter().any(|fault| said.contains(fault)), "{said}");
                let repeats = bare.len() > 12 && said.contains(text.trim());
                prop_assert!(!repeats, "{said}");
            }
        }
    }
}
