//! A laboratory with two accounts.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use redivis_drop::sandbox::{Sandbox, Settings};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::lab::{Holding, Lab, Plan, TABLE, holding, write_noise};

/// The token that the second server accepts.
pub const EU_TOKEN: &str = "the-token-of-eu";

/// A lab, and another server with its own token: the account `eu`, with a drop folder of its own.
pub struct Two {
    pub lab: Lab,
    pub eu: Sandbox,
    pub eu_folder: PathBuf,
    pub eu_token: PathBuf,
    _runtime: Runtime,
}

impl Two {
    pub fn new(plan: &Plan) -> Self {
        let lab = Lab::with(plan);
        let runtime = Runtime::new().unwrap();
        let settings = Settings {
            upload_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            bytes_per_sec: plan.speed,
            ..Settings::new(lab.elsewhere("eu-server"), EU_TOKEN)
        };
        let eu = runtime.block_on(Sandbox::start(settings)).unwrap();
        let two = Self {
            eu_folder: lab.elsewhere("eu-drop"),
            eu_token: lab.elsewhere("eu-token"),
            lab,
            eu,
            _runtime: runtime,
        };
        fs::create_dir(&two.eu_folder).unwrap();
        two.write_eu_token(EU_TOKEN);
        two.configure("eu", "");
        two
    }

    /// The second watch goes to this account, and this stands in the second account.
    pub fn configure(&self, account: &str, more: &str) {
        let plan = Plan {
            transfer: "resumable_above = \"1 MB\"\nchunk_size = \"256 KiB\"\nworkers = 2",
            ..Plan::default()
        };
        self.lab.configure(&plan, &self.lab.endpoint());
        let text = fs::read_to_string(&self.lab.config).unwrap();
        let further = format!(
            "[[watch]]\nname = \"eu\"\naccount = {account:?}\npath = \"{}\"\ntable = \"{TABLE}\"\nsettle = \"100ms\"\n\
             [account.eu]\nendpoint = \"{}\"\ntoken_file = \"{}\"\n{more}",
            self.eu_folder.display(),
            self.eu.endpoint(),
            self.eu_token.display(),
        );
        fs::write(&self.lab.config, text + &further).unwrap();
    }

    pub fn write_eu_token(&self, token: &str) {
        fs::write(&self.eu_token, token).unwrap();
        fs::set_permissions(&self.eu_token, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn drop_for_eu(&self, name: &str, size: usize, seed: u64) -> Holding {
        let path = self.eu_folder.join(name);
        write_noise(&path, size, seed);
        holding(name, &path)
    }

    pub fn in_eu(&self) -> Vec<Holding> {
        let files = self.eu.registered(TABLE).into_iter();
        let mut held: Vec<_> = files.map(|file| (file.name, file.size, file.md5)).collect();
        held.sort();
        held
    }

    /// Each server holds its own files and no others, and was shown no other token.
    pub fn expect(&self, here: Vec<Holding>, mut in_eu: Vec<Holding>) {
        self.lab.expect(here);
        in_eu.sort();
        assert_eq!(self.in_eu(), in_eu);
        let report = self.eu.report();
        assert_eq!(report.violations, []);
        assert_eq!(report.token_seen_elsewhere, 0);
    }

    /// The account of this name in `status --json`.
    pub fn account(&self, name: &str) -> Value {
        let status = self.lab.status().unwrap_or_default();
        let accounts = status["accounts"].as_array().cloned().unwrap_or_default();
        let mut accounts = accounts.into_iter();
        accounts.find(|one| one["name"] == name).unwrap_or_default()
    }
}
