//! When nothing may be asked of the API, or sent to the upload server. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// A paused account is tried again this often, with the credential read again.
pub(super) const PROBE: Duration = Duration::from_mins(5);

/// Shared by all jobs, so that a server in trouble sees one request where it would see thousands: while it
/// is not well, one request at a time finds out whether it is.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    api: Host,
    uploads: Host,
    account: Option<Account>,
}

/// One of the two servers.
#[derive(Debug, Default)]
struct Host {
    /// Left alone until then. `None`: it is well, as far as is known.
    until: Option<Instant>,
    /// A request is on its way that will tell.
    probing: bool,
}

impl Host {
    fn may_ask(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now && !self.probing)
    }

    fn asked(&mut self) {
        self.probing = self.until.is_some();
    }

    fn pause(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }
}

/// The token is refused.
#[derive(Debug)]
struct Account {
    probe_at: Instant,
    /// One call may be made to see whether the token is accepted now.
    probing: bool,
}

impl Pauses {
    /// No call to the API before this; never shortens a pause.
    pub fn pause_api(&mut self, until: Instant) {
        self.api.pause(until);
    }

    /// No new upload before this; never shortens a pause.
    pub fn pause_uploads(&mut self, until: Instant) {
        self.uploads.pause(until);
    }

    /// The token is refused: no calls until the next probe.
    pub fn pause_account(&mut self, now: Instant) {
        self.account = Some(Account {
            probe_at: now + PROBE,
            probing: false,
        });
    }

    /// The API has answered as it should.
    pub fn api_is_well(&mut self) {
        (self.api, self.account) = (Host::default(), None);
    }

    /// The upload server has answered as it should.
    pub fn uploads_are_well(&mut self) {
        self.uploads = Host::default();
    }

    /// Whether a call to the API may be made at `now`.
    pub fn may_call(&self, now: Instant) -> bool {
        let token = self.account.as_ref().is_none_or(|account| account.probing);
        token && self.api.may_ask(now)
    }

    /// Whether an upload may begin at `now`.
    pub fn may_upload(&self, now: Instant) -> bool {
        self.uploads.may_ask(now)
    }

    /// Whether the upload server is not known to be well.
    pub fn uploads_ail(&self) -> bool {
        self.uploads.until.is_some()
    }

    /// A call is being made; it is the only one if it is a probe.
    pub fn called(&mut self) {
        self.api.asked();
        if let Some(account) = &mut self.account {
            account.probing = false;
        }
    }

    /// A call came back, with whatever.
    pub fn call_ended(&mut self) {
        self.api.probing = false;
    }

    /// An upload begins; it is the only one if it is a probe.
    pub fn uploading(&mut self) {
        self.uploads.asked();
    }

    /// An upload came back, with whatever.
    pub fn upload_ended(&mut self) {
        self.uploads.probing = false;
    }

    /// Whether it is time to try a refused token again; the next call is then the probe.
    pub fn probe(&mut self, now: Instant) -> bool {
        match &mut self.account {
            Some(account) if account.probe_at <= now => {
                account.probe_at = now + PROBE;
                account.probing = true;
                true
            }
            _ => false,
        }
    }

    /// Until when the API is left alone.
    pub fn api_until(&self) -> Option<Instant> {
        self.api.until
    }

    /// The times at which something becomes possible again.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        let probe = self.account.as_ref().map(|account| account.probe_at);
        [self.api.until, self.uploads.until, probe]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_ends_by_time_or_by_a_good_answer_and_never_gets_shorter() {
        let now = Instant::now();
        let mut pauses = Pauses::default();
        pauses.pause_api(now + 9 * SECOND);
        pauses.pause_api(now + SECOND);
        assert!(!pauses.may_call(now + 8 * SECOND));
        assert!(pauses.may_call(now + 9 * SECOND));
        assert!(pauses.may_upload(now));
        pauses.api_is_well();
        assert!(pauses.may_call(now));
    }

    #[test]
    fn a_server_that_is_not_well_is_asked_one_thing_at_a_time() {
        let now = Instant::now();
        let mut pauses = Pauses::default();
        pauses.called();
        pauses.uploading();
        assert!(
            pauses.may_call(now) && pauses.may_upload(now),
            "all is well"
        );
        pauses.pause_api(now + SECOND);
        pauses.pause_uploads(now + SECOND);
        let then = now + SECOND;
        assert!(pauses.may_call(then) && pauses.may_upload(then));
        pauses.called();
        pauses.uploading();
        assert!(!pauses.may_call(then) && !pauses.may_upload(then));
        pauses.call_ended();
        pauses.upload_ended();
        assert!(
            pauses.may_call(then) && pauses.may_upload(then),
            "it told nothing"
        );
        pauses.called();
        pauses.uploading();
        pauses.api_is_well();
        pauses.uploads_are_well();
        assert!(pauses.may_call(now) && pauses.may_upload(now));
    }

    #[test]
    fn a_refused_token_is_tried_once_in_five_minutes() {
        let now = Instant::now();
        let mut pauses = Pauses::default();
        pauses.pause_account(now);
        assert!(!pauses.may_call(now + PROBE));
        assert!(!pauses.probe(now + PROBE - SECOND));
        assert!(pauses.probe(now + PROBE));
        assert!(pauses.may_call(now + PROBE));
        pauses.called();
        assert!(!pauses.may_call(now + PROBE), "one call is the probe");
        assert!(!pauses.probe(now + PROBE + SECOND));
        pauses.api_is_well();
        assert!(pauses.may_call(now + PROBE));
    }
}
