//! `redivis-drop sandbox`

use std::io::{self, Write as _};
use std::time::Duration;

use super::arguments::Practice;
use super::error::{Exit, Failure};
use super::runtime;
use crate::sandbox::{RateLimit, Sandbox, Settings};

pub(super) fn serve(asked: &Practice) -> Result<Exit, Failure> {
    let settings = settings(asked)?;
    super::log::start();
    runtime()?.block_on(async {
        let sandbox = Sandbox::start(settings)
            .await
            .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        writeln!(io::stdout(), "listening on {}", sandbox.endpoint())?;
        tokio::signal::ctrl_c().await?;
        sandbox.stop().await;
        Ok(Exit::Fine)
    })
}

fn settings(asked: &Practice) -> Result<Settings, Failure> {
    let wrong = |flag: &str, text: &str, like: &str| {
        Failure::new(Exit::Usage, format!("{flag} {text}: that cannot be read"))
            .hint(format!("write it like {like}"))
    };
    let time = |flag: &str, text: &str| -> Result<Duration, Failure> {
        crate::config::parse_duration(text).ok_or_else(|| wrong(flag, text, "30s or 24h"))
    };
    let rate_limit = asked
        .rate_limit
        .as_deref()
        .map(|text| RateLimit::parse(text).map_err(|_| wrong("--rate-limit", text, "100/100s")));
    let speed = asked.bytes_per_sec.as_deref().map(|text| {
        crate::config::parse_size(text).ok_or_else(|| wrong("--bytes-per-sec", text, "\"20 MB\""))
    });
    Ok(Settings {
        listen: asked.listen,
        upload_listen: asked.upload_listen,
        session_life: time("--session-life", &asked.session_life)?,
        rate_limit: rate_limit.transpose()?,
        bytes_per_sec: speed.transpose()?,
        latency: asked
            .latency
            .as_deref()
            .map(|text| time("--latency", text))
            .transpose()?,
        lenient: asked.lenient,
        faults: asked.faults.clone(),
        ..Settings::new(&asked.dir, &asked.token)
    })
}
