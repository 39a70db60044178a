//! What a failed API call means for the job. Split by consequence, not by cause.

use std::time::Duration;

use thiserror::Error;

/// Why there is no result. Every text is one line, at most 300 characters, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApiError {
    /// This request will not be accepted, however often it is sent: a 4xx that is none of the
    /// others. It was not applied. Next: park, with the server's own text.
    #[error("Redivis refuses ({status}{}): {text}", code.as_ref().map(|code| format!(" {code}")).unwrap_or_default())]
    Refused {
        /// 400 ..= 499
        status: u16,
        /// Redivis' own word for it, such as `invalid_request`.
        code: Option<String>,
        /// Redivis' explanation.
        text: String,
    },

    /// 401, or 403 for lack of a scope. Not applied. Next: pause the account, read the token again.
    #[error("Redivis does not accept the access token ({status}): {text}{}", scope.as_ref().map(|scope| format!(" (needs scope {scope})")).unwrap_or_default())]
    Auth {
        /// 401 or 403
        status: u16,
        /// Redivis' explanation.
        text: String,
        /// The scopes that the token lacks, parted by spaces, where the answer names them.
        scope: Option<String>,
    },

    /// 429, or 503 with a `Retry-After`. Next: one pause for all that goes to this account.
    #[error("Redivis asks for a pause ({status})")]
    Throttled {
        /// 429 or 503
        status: u16,
        /// How long, at most 15 minutes; `None`: it did not say, use your own back-off.
        retry_after: Option<Duration>,
    },

    /// The request may or may not have been applied: 5xx, 408, timeout, reset. Next: back off; for
    /// what is not idempotent, look first whether it happened.
    #[error("no result from Redivis{}: {text}", status.map(|status| format!(" ({status})")).unwrap_or_default())]
    Unavailable {
        /// The answer's status; `None` when there was no answer.
        status: Option<u16>,
        /// What the answer or the network said.
        text: String,
    },

    /// Nothing was sent: name resolution, connection or TLS failed, or a proxy wants a password.
    /// Next: back off and try again.
    #[error("Redivis cannot be reached: {text}")]
    NotReached {
        /// What the network said.
        text: String,
    },

    /// An answer that this protocol does not know: a redirect, a login page, a missing field.
    /// Nothing of it is used; the request may have been applied. Next: as `Unavailable`.
    #[error("this is not an answer of Redivis: {what}")]
    Nonsense {
        /// What is wrong with it.
        what: String,
    },
}

impl ApiError {
    /// Whether the server has certainly not carried out the request, so that repeating it is safe.
    pub fn certainly_not_applied(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Auth { .. } | Self::NotReached { .. } => true,
            // A 503 can come from a proxy that gave up waiting for an answer.
            Self::Throttled { status, .. } => *status == 429,
            Self::Unavailable { .. } | Self::Nonsense { .. } => false,
        }
    }

    pub(super) fn nonsense(what: impl Into<String>) -> Self {
        Self::Nonsense { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_reads_as_a_sentence() {
        let refused = ApiError::Refused {
            status: 400,
            code: Some("invalid_request".into()),
            text: "no such table".into(),
        };
        let auth = ApiError::Auth {
            status: 403,
            text: "insufficient scope".into(),
            scope: Some("data.edit".into()),
        };
        let lost = ApiError::Unavailable {
            status: None,
            text: "no answer within 60s".into(),
        };
        for (error, text, not_applied) in [
            (
                refused,
                "Redivis refuses (400 invalid_request): no such table",
                true,
            ),
            (
                auth,
                "Redivis does not accept the access token (403): insufficient scope (needs scope data.edit)",
                true,
            ),
            (lost, "no result from Redivis: no answer within 60s", false),
            (
                ApiError::Throttled {
                    status: 429,
                    retry_after: None,
                },
                "Redivis asks for a pause (429)",
                true,
            ),
            (
                ApiError::Throttled {
                    status: 503,
                    retry_after: None,
                },
                "Redivis asks for a pause (503)",
                false,
            ),
            (
                ApiError::nonsense("a redirect (302)"),
                "this is not an answer of Redivis: a redirect (302)",
                false,
            ),
        ] {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.certainly_not_applied(), not_applied, "{error}");
        }
    }
}
