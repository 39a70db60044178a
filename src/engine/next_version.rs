//! Why a table refuses everything: its dataset is looked at, and its next version made if that is wanted.
//!
//! A next version is made once after each release. The intent is recorded first; crash windows: after that commit and
//! before the request, and after the request and before its outcome is recorded. Both leave `intended`, and both are
//! resolved by looking at the dataset: a request that may still arrive is never repeated. What Redivis refuses is
//! not asked for again before somebody starts the daemon anew.
//!
//! Never here: releasing a version. That is for people.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Trouble, budget};
use super::inquiries::Inquiry;
use super::reconcile::MAY_STILL_ARRIVE;
use super::{Recorded, Shared};
use crate::config::Reference;
use crate::job::address;
use crate::journal::{NextVersionOf, NextVersionRow};
use crate::redivis::{ApiError, DatasetInfo, Standing};

/// A next version that is there is noticed this soon, by the next try.
const BY_ITSELF: &str = "Its files wait, and go on within five minutes of that";

/// What a look at a dataset has brought.
#[derive(Debug)]
pub(super) struct Looked {
    pub inquiry: Inquiry,
    /// Whether it had a next version when it was asked for; `None`: that is not known.
    pub has_next: Option<bool>,
    /// It had none, and has one now.
    pub made: bool,
    pub verdict: Verdict,
    pub answered: bool,
    pub trouble: Option<Trouble>,
}

/// What follows for the tables of a dataset.
#[derive(Debug)]
pub(super) enum Verdict {
    /// They stay closed, each with this behind or instead of Redivis' own words; looked at again after so long, if
    /// that would help.
    Closed(Vec<(String, Words)>, Option<Duration>),
    /// It could not be found out.
    Unknown,
}

/// What is said of a table that refuses everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// This says it better than Redivis; the second where files were on their way.
    Instead(String, String),
    /// Redivis' own, with this behind them.
    Also(String),
    /// As `Also`; but the version that the table is in is not released. Was it when the table refused?
    Open,
}

/// Behind Redivis' own words, where its version is not the reason.
pub(super) const OPEN: &str =
    "its version is not released, so look whether the table is in it, and of the right kind";

/// What became of the wish for a next version.
enum Made {
    /// It is there.
    Yes,
    /// It is not, and this is why; looked at again after so long, if that would help.
    No(String, Option<Duration>),
    /// The API is in trouble.
    Trouble(Trouble),
}

/// Looks at a dataset of which tables refuse everything.
pub(super) async fn look(shared: Arc<Shared>, inquiry: Inquiry) -> Recorded<Looked> {
    let mut looked = Looked {
        has_next: None,
        made: false,
        verdict: Verdict::Unknown,
        answered: true,
        trouble: None,
        inquiry,
    };
    let tables = &looked.inquiry.tables;
    let reference = tables.first().and_then(|table| Reference::read(table));
    let Some(reference) = reference.map(|reference| reference.dataset()) else {
        return Ok(looked);
    };
    budget(&shared).await;
    let asked = shared.moment();
    let info = match shared.client.dataset(&reference).await {
        Ok(info) => info,
        Err(error) => {
            looked.trouble = Trouble::of(&error);
            looked.answered = looked.trouble.is_none();
            if looked.answered {
                let words = Words::Also(format!(
                    "the dataset {}: {error}",
                    address::parts(&reference).1
                ));
                let each = tables.iter().map(|table| (table.clone(), words.clone()));
                looked.verdict = Verdict::Closed(each.collect(), None);
            }
            return Ok(looked);
        }
    };
    looked.has_next = Some(info.has_next_version);
    let makes = |table: &&String| shared.makes_next_version.contains(*table);
    let wants =
        |table: &&String| makes(table) && matches!(Standing::of(table, &info), Standing::NoNext(_));
    let mut made = None;
    if info.has_next_version {
        // whoever has made it
        if !shared.makes_next_version.is_empty() {
            let dataset = &looked.inquiry.dataset;
            shared.journal.next_version_is_there(dataset).await?;
        }
    } else if tables.iter().any(|table| wants(&table)) {
        let of = NextVersionOf {
            dataset: looked.inquiry.dataset.clone(),
            released: info.released.clone().unwrap_or_default(),
        };
        match make(&shared, &of, &reference, asked.awake).await? {
            Made::Yes => looked.made = true,
            Made::No(why, again) => made = Some((why, again)),
            Made::Trouble(trouble) => {
                looked.answered = false;
                looked.trouble = Some(trouble);
                return Ok(looked);
            }
        }
    }
    let info = DatasetInfo {
        has_next_version: info.has_next_version || looked.made,
        ..info
    };
    let tables = &looked.inquiry.tables;
    let each = tables.iter().map(|table| {
        let why = made.as_ref().filter(|_| makes(&table));
        let words = words(table, &info, why.map(|(why, _)| why.as_str()));
        (table.clone(), words)
    });
    looked.verdict = Verdict::Closed(each.collect(), made.as_ref().and_then(|(_, again)| *again));
    Ok(looked)
}

/// What is wrong with a table, and what to do; `made`: why its next version could not be made.
fn words(table: &str, dataset: &DatasetInfo, made: Option<&str>) -> Words {
    let standing = Standing::of(table, dataset);
    let advice = match (&standing, made) {
        (Standing::Open, _) => return Words::Open,
        (Standing::NoNext(_), Some(why)) => format!("{why}. {BY_ITSELF}"),
        (Standing::NoNext(_), None) => format!(
            "Make the next version in Redivis, or set create_next_version = true for this watch. {BY_ITSELF}"
        ),
        (Standing::Current(_) | Standing::Numbered(_), _) => {
            "Its files wait; reload the daemon after that".to_owned()
        }
    };
    let say = |in_flight| format!("{}. {advice}", standing.why(in_flight).unwrap_or_default());
    Words::Instead(say(false), say(true))
}

/// Makes the next version of a dataset that had none when it was looked at, at `asked`.
async fn make(
    shared: &Shared,
    of: &NextVersionOf,
    reference: &str,
    asked: Option<crate::job::Awake>,
) -> Recorded<Made> {
    let journal = &shared.journal;
    let after = match of.released.as_str() {
        "" => "its last release".to_owned(),
        tag => tag.to_owned(),
    };
    match journal.next_version(of).await? {
        None => {}
        Some(NextVersionRow::Made) => {
            return Ok(Made::No(
                format!(
                    "The daemon has made one after {after} already, and it is not there any more; it makes none \
                     twice: make it in Redivis"
                ),
                None,
            ));
        }
        Some(NextVersionRow::Refused(why)) => return Ok(Made::No(why, None)),
        Some(NextVersionRow::Intended(absent)) => {
            let age = absent.as_ref().zip(asked.as_ref());
            let age = age.and_then(|(absent, asked)| absent.age(asked));
            let left = MAY_STILL_ARRIVE.saturating_sub(age.unwrap_or_default());
            if age.is_none()
                && let Some(asked) = asked
            {
                journal.next_version_is_absent(of, asked).await?;
            }
            if !left.is_zero() {
                let why = "The request to make it got no answer, and may still arrive: before it is repeated, the \
                           dataset is looked at again";
                return Ok(Made::No(why.into(), Some(left)));
            }
        }
    }
    budget(shared).await;
    journal.intend_next_version(of, shared.now()).await?;
    let error = match shared.client.create_next_version(reference).await {
        Ok(()) => {
            journal.next_version_is_there(&of.dataset).await?;
            tracing::info!(
                dataset = of.dataset,
                after,
                "the next version was made; releasing it is for people"
            );
            return Ok(Made::Yes);
        }
        Err(error) => error,
    };
    match &error {
        ApiError::Refused { .. } | ApiError::Auth { status: 403, .. } => {
            refused(shared, of, reference, &error).await
        }
        other => {
            // else it stays intended: what is there is looked at first
            if other.certainly_not_applied() {
                journal.withdraw_next_version(of).await?;
            }
            let trouble = Trouble::of(other);
            let trouble = trouble.unwrap_or_else(|| Trouble::Pause(other.to_string(), None));
            Ok(Made::Trouble(trouble))
        }
    }
}

/// Redivis does not make it: somebody else has, or this token may not.
async fn refused(
    shared: &Shared,
    of: &NextVersionOf,
    reference: &str,
    error: &ApiError,
) -> Recorded<Made> {
    budget(shared).await;
    if let Ok(info) = shared.client.dataset(reference).await
        && info.has_next_version
    {
        shared.journal.next_version_is_there(&of.dataset).await?;
        return Ok(Made::Yes);
    }
    let right = match error {
        ApiError::Auth { scope, .. } => format!(
            ": the token needs the scope {}",
            scope.as_deref().unwrap_or("data.edit")
        ),
        ApiError::Refused { status: 403, .. } => {
            ": the token needs the scope data.edit, and its owner the right to edit the dataset"
                .into()
        }
        _ => String::new(),
    };
    let why = format!(
        "It could not be made{right} ({error}); this is not tried again before the daemon is started anew or reloaded, \
         so mend that, or make it in Redivis"
    );
    tracing::error!(
        dataset = of.dataset,
        why,
        "the next version could not be made"
    );
    shared
        .journal
        .next_version_is_refused(of, why.clone())
        .await?;
    Ok(Made::No(why, None))
}
