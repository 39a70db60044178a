//! `[redivis]` and `[account.NAME]`: where an API is, and whose token goes there.

use std::collections::HashMap;
use std::path::PathBuf;

use url::Url;

use super::address::{endpoint, origin};
use super::environment::Environment;
use super::section::{Notes, Section, alike};
use super::settings::{Redivis, Watch};
use super::token::DEFAULT_TOKEN_FILE;
use super::value::{Complaint, Reading, absolute, quoted, text, text_or_empty};
use super::watches::Found;
use crate::job::address;

/// The account of `[redivis]`, and of every watch that names none.
pub const HOME: &str = "redivis";

const ENDPOINT: &str = "https://redivis.com/api/v1";

/// More accounts than any lab has; each has connections and a budget of its own.
const MOST: usize = 32;

/// An account, and where it stands in the file.
pub(super) struct Account {
    pub(super) settings: Redivis,
    byte: usize,
}

/// `[redivis]`
pub(super) fn home(mut section: Section, env: &Environment) -> Redivis {
    let in_file = section.get("endpoint", text(ENDPOINT, endpoint));
    let in_environment = env.endpoint.as_deref().and_then(|url| {
        endpoint(url)
            .map_err(|complaint| section.blame_environment("REDIVIS_API_ENDPOINT", complaint))
            .ok()
    });
    let endpoint = in_environment.or(in_file);
    settings(section, HOME, endpoint, DEFAULT_TOKEN_FILE.into())
}

/// Every `[account.NAME]`, as far as its name will do.
pub(super) fn others(root: &mut Section) -> Vec<Account> {
    let mut found: Vec<Account> = Vec::new();
    root.sections_by_name("account", |name, mut section| {
        let byte = section.byte();
        match account_name(name) {
            Ok(_) if name == HOME => section.blame_itself(
                Complaint::new(format!("`{HOME}` is the account of [redivis]"))
                    .hint("write these lines into [redivis], or choose another name"),
            ),
            Ok(_) if found.len() == MOST => section.blame_itself(
                Complaint::new(format!("there are more than {MOST} accounts"))
                    .hint("run another daemon, with a journal of its own"),
            ),
            Ok(_) => {}
            Err(complaint) => section.blame_itself(complaint),
        }
        let in_file = section.get("endpoint", text(ENDPOINT, endpoint));
        let token_file = PathBuf::from(format!("{DEFAULT_TOKEN_FILE}.{name}"));
        let settings = settings(section, name, in_file, token_file);
        found.push(Account { settings, byte });
    });
    found
}

fn settings(
    mut section: Section,
    name: &str,
    endpoint: Option<Url>,
    default_token_file: PathBuf,
) -> Redivis {
    let default = || Url::parse(ENDPOINT).expect("the default endpoint is a URL");
    let redivis = Redivis {
        name: name.to_owned(),
        endpoint: endpoint.unwrap_or_else(default),
        is_elsewhere: false,
        token_file: section
            .get("token_file", text_or_empty(DEFAULT_TOKEN_FILE, absolute))
            .unwrap_or(Some(default_token_file)),
        send_token_to: section
            .each(
                "send_token_to",
                r#"["https://uploads.example"]"#,
                text("https://uploads.example", origin),
            )
            .unwrap_or_default(),
        extra_ca_file: section
            .get(
                "extra_ca_file",
                text_or_empty("/etc/ssl/lab-ca.pem", absolute),
            )
            .flatten(),
    };
    section.finish();
    redivis
}

/// The name of an account: it becomes part of a file's name and of a variable's.
pub(super) fn account_name(text: &str) -> Reading<String> {
    const LONGEST: usize = 32;
    let fits = |name: &str| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=LONGEST).contains(&name.len()) && name.bytes().all(good)
    };
    if fits(text) {
        return Ok(text.to_owned());
    }
    let like: String = text
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let hint = "1 to 32 of these: a-z, 0-9, `-`";
    let complaint = Complaint::new(format!("{} is no name for an account", quoted(text)));
    Err(complaint.hint(if fits(&like) {
        format!("{hint}; for example `{like}`")
    } else {
        hint.to_owned()
    }))
}

/// Every watch names an account that there is; every account should have a watch. Tables of another endpoint than that of
/// `[redivis]` are told apart by it from now on, until the journal has said where it is at home.
pub(super) fn give_out(
    home: &Redivis,
    others: Vec<Account>,
    found: &mut [Found],
    notes: &mut Notes,
) -> Vec<Redivis> {
    for watch in found.iter() {
        if let Some(complaint) = watch
            .account
            .as_deref()
            .and_then(|name| unknown(name, &others))
        {
            notes.problem(watch.account_byte, complaint);
        }
    }
    for (at, account) in others.iter().enumerate() {
        let name = &account.settings.name;
        if found
            .iter()
            .all(|watch| watch.account.as_ref() != Some(name))
        {
            let complaint = Complaint::new(format!("no watch names the account `{name}`"));
            let hint =
                format!("it is not used: write account = {name:?} in a [[watch]], or remove it");
            notes.remark(account.byte, complaint.hint(hint));
        }
        let earlier = others[..at].iter().map(|other| &other.settings);
        let mut earlier = std::iter::once(home).chain(earlier);
        if let Some(other) = earlier.find(|other| share_a_token(other, &account.settings)) {
            let other = &other.name;
            let complaint = Complaint::new(format!(
                "the accounts `{other}` and `{name}` have one token file and two servers"
            ));
            let hint = "each server would learn what opens the other: give each account a `token_file` of its own";
            notes.problem(account.byte, complaint.hint(hint));
        }
    }
    let mut accounts: Vec<_> = others.into_iter().map(|account| account.settings).collect();
    let watches = found.iter_mut().filter_map(|found| found.watch.as_mut());
    call_by(home.endpoint.as_str(), &mut accounts, watches);
    accounts
}

fn share_a_token(one: &Redivis, other: &Redivis) -> bool {
    one.token_file.is_some()
        && one.token_file == other.token_file
        && one.endpoint.origin() != other.endpoint.origin()
}

/// Calls the tables of all watches as a journal with this home does: nobody else composes their names. A watch of none of
/// these accounts goes there.
pub(super) fn call_by<'a>(
    home: &str,
    accounts: impl IntoIterator<Item = &'a mut Redivis>,
    watches: impl IntoIterator<Item = &'a mut Watch>,
) {
    let mut elsewhere = HashMap::new();
    for account in accounts {
        account.is_elsewhere = account.endpoint.as_str() != home;
        if account.is_elsewhere {
            elsewhere.insert(&*account.name, account.endpoint.as_str());
        }
    }
    for watch in watches {
        let (_, reference) = address::parts(&watch.table);
        watch.table = match elsewhere.get(&*watch.account) {
            Some(endpoint) => address::at(endpoint, reference),
            None => reference.to_owned(),
        };
    }
}

fn unknown(name: &str, accounts: &[Account]) -> Option<Complaint> {
    let names = || {
        accounts
            .iter()
            .map(|account| account.settings.name.as_str())
    };
    if name == HOME || names().any(|known| known == name) {
        return None;
    }
    let complaint = Complaint::new(format!("`account`: there is no [account.{name}]"));
    let near = names()
        .filter(|known| alike(known, name) >= 0.8)
        .max_by(|one, other| alike(one, name).total_cmp(&alike(other, name)));
    Some(complaint.hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if accounts.is_empty() => format!(
            "write [account.{name}] with its endpoint and token_file, or leave `account` out: then it is that of [redivis]"
        ),
        None => {
            let mut known: Vec<_> = names().map(|known| format!("`{known}`")).collect();
            known.push(format!("`{HOME}`"));
            format!("there are {}", known.join(", "))
        }
    }))
}
