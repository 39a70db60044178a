//! Several accounts: how they are written, and what is said when they are written wrongly.

use super::*;
use crate::job::address;

const EU: &str = "[account.eu]\nendpoint = \"https://eu.example/api/v1\"\n";

fn watch(name: &str, account: &str) -> String {
    format!(
        "[[watch]]\nname = {name:?}\npath = \"/data/{name}\"\ntable = \"lab.data:next.raw\"\n{account}\n"
    )
}

#[test]
fn a_watch_names_its_account_and_without_a_word_it_is_that_of_redivis() {
    let text = format!(
        "{EU}[account.same]\n{}{}{}{}",
        watch("a", ""),
        watch("b", "account = \"eu\""),
        watch("c", "account = \"same\""),
        watch("d", "account = \"redivis\""),
    );
    let config = read(&text).unwrap();
    assert!(config.remarks.is_empty(), "{}", config.remarks);
    let accounts: Vec<_> = config.watches.iter().map(|one| &*one.account).collect();
    assert_eq!(accounts, ["redivis", "eu", "same", "redivis"]);
    let table = "lab.data:next.raw";
    let there = address::at("https://eu.example/api/v1", table);
    let tables: Vec<_> = config.watches.iter().map(|one| &*one.table).collect();
    assert_eq!(
        tables,
        [table, &there, table, table],
        "one endpoint, one table"
    );
    let used: Vec<_> = config.accounts_in_use().map(|one| &*one.name).collect();
    assert_eq!(used, ["redivis", "eu", "same"]);
    let eu = config.of_account(&config.accounts[0]);
    assert_eq!((eu.watches.len(), &*eu.redivis.name), (1, "eu"));
    let file = config.accounts[0].token_file.as_deref();
    assert_eq!(file, Some(Path::new("/etc/redivis-drop/token.eu")));
}

#[test]
fn what_is_wrong_with_an_account_is_said_with_its_place_and_what_to_do() {
    let good = watch("a", "account = \"eu\"");
    for (text, want) in [
        (
            format!("{EU}{good}{}", watch("b", "account = \"ue-lab\"")),
            "config.toml:12:11: `account`: there is no [account.ue-lab]\n  hint: there are `eu`, `redivis`",
        ),
        (
            format!(
                "[account.europe]\n{}{}",
                watch("a", "account = \"europe\""),
                watch("b", "account = \"eurpoe\"")
            ),
            "config.toml:11:11: `account`: there is no [account.eurpoe]\n  hint: did you mean `europe`?",
        ),
        (
            watch("a", "account = \"eu\""),
            "config.toml:5:11: `account`: there is no [account.eu]\n  hint: write [account.eu] with its endpoint and token_file, or leave `account` out: then it is that of [redivis]",
        ),
        (
            format!("[account.EU_Lab]\n{}", watch("a", "")),
            "config.toml:1:10: \"EU_Lab\" is no name for an account\n  hint: 1 to 32 of these: a-z, 0-9, `-`; for example `eu-lab`",
        ),
        (
            format!("[account.redivis]\n{}", watch("a", "")),
            "config.toml:1:10: `redivis` is the account of [redivis]\n  hint: write these lines into [redivis], or choose another name",
        ),
        (
            format!(
                "[account]\nendpoint = \"https://x.example\"\n{}",
                watch("a", "")
            ),
            "config.toml:2:12: `endpoint`: expected sections [account.NAME], found the text \"https://x.example\"\n  hint: write [account.NAME], with a name of your own",
        ),
        (
            format!("[[account]]\n{}", watch("a", "")),
            "config.toml:1:1: `account`: expected sections [account.NAME], found a list\n  hint: write [account.NAME], with a name of your own",
        ),
        (
            format!("{EU}tokenfile = \"/x\"\n{good}"),
            "config.toml:3:1: unknown key `tokenfile`\n  hint: did you mean `token_file`?",
        ),
        (
            format!("{EU}token_file = \"/etc/redivis-drop/token\"\n{good}"),
            "config.toml:1:10: the accounts `redivis` and `eu` have one token file and two servers\n  hint: each server would learn what opens the other: give each account a `token_file` of its own",
        ),
        (
            format!("{EU}token_file = \"/data/a/token\"\n{good}"),
            "config.toml:6:8: `path`: the token file, /data/a/token, lies in this folder and would be uploaded\n  hint: move one of them elsewhere",
        ),
    ] {
        assert_eq!(said(&text), want);
    }
}

#[test]
fn an_account_without_a_watch_is_remarked_upon() {
    let config = read(&format!("{EU}{}", watch("a", ""))).unwrap();
    let said = config.remarks.to_string();
    let want = "config.toml:1:10: no watch names the account `eu`\n  hint: it is not used: write account = \"eu\" in a [[watch]], or remove it";
    assert_eq!(said, want);
    assert_eq!(config.accounts_in_use().count(), 1);
}

#[test]
fn tables_are_called_as_at_the_home_of_the_journal_whatever_redivis_is() {
    let text = format!(
        "[redivis]\nendpoint = \"https://NOW.example:443/api/v1/\"\n{EU}{}{}",
        watch("a", ""),
        watch("b", "account = \"eu\""),
    );
    let config = read(&text).unwrap();
    let table = "lab.data:next.raw";
    let [now, eu] = ["https://now.example/api/v1", "https://eu.example/api/v1"];
    let [at_now, at_eu] = [now, eu].map(|endpoint| address::at(endpoint, table));
    for (home, wanted) in [
        (now, [table, &at_eu]),
        (eu, [&at_now, table]),
        ("https://practice.example/api/v1", [&at_now, &at_eu]),
    ] {
        // from wherever it is called otherwise
        let config = config.at_home(eu).at_home(home);
        let tables: Vec<_> = config.watches.iter().map(|one| &*one.table).collect();
        assert_eq!(tables, wanted, "{home}");
        let elsewhere = [config.redivis.is_elsewhere, config.accounts[0].is_elsewhere];
        assert_eq!(elsewhere, wanted.map(|wanted| wanted != table), "{home}");
    }
    assert_eq!(
        config.at_home(now),
        config,
        "until it is said, that of [redivis]"
    );
}
