//! What `check --online` says of versions: whether files can be added to the one that a watch names.

use std::collections::BTreeMap;

use super::check::exit;
use super::error::{Exit, Failure};
use crate::config::{NextVersion, Reference, Watch};
use crate::redivis::{ApiError, Client, DatasetInfo, Standing};

/// Each dataset is asked for once, however many watches go there.
#[derive(Default)]
pub(super) struct Datasets(BTreeMap<String, Option<DatasetInfo>>);

/// What is known of the version that a watch names.
pub(super) struct Found {
    /// Why files cannot be added to it now, and what to do; nothing if they can, or if that is not known.
    pub why: Option<String>,
    pub exit: Exit,
}

impl Found {
    const NOTHING: Self = Self {
        why: None,
        exit: Exit::Fine,
    };
}

impl Datasets {
    /// Looks at the version that a watch names.
    ///
    /// # Errors
    /// When Redivis cannot be asked.
    pub async fn standing(&mut self, client: &Client, watch: &Watch) -> Result<Found, Failure> {
        let Some(reference) = Reference::read(&watch.table) else {
            return Ok(Found::NOTHING);
        };
        let name = reference.dataset();
        if !self.0.contains_key(&name) {
            let info = match client.dataset(&name).await {
                Ok(info) => Some(info),
                // what is said of the table says it too
                Err(ApiError::Refused { .. }) => None,
                Err(error) => return Err(Failure::new(exit(&error), error.to_string())),
            };
            self.0.insert(name.clone(), info);
        }
        let Some(Some(info)) = self.0.get(&name) else {
            return Ok(Found::NOTHING);
        };
        let standing = Standing::of(&watch.table, info);
        let Some(why) = standing.why(false) else {
            return Ok(Found::NOTHING);
        };
        let is_made = watch.next_version == NextVersion::Made;
        let (more, exit) = match standing {
            Standing::NoNext(_) if is_made => (
                ". create_next_version = true: `run` makes the next version when a file is to go there, unless it has \
                 done so after this release already; nothing was made now",
                Exit::Fine,
            ),
            Standing::NoNext(_) => (
                ". Make the next version in Redivis, or set create_next_version = true for this watch",
                Exit::Config,
            ),
            _ => ("", Exit::Config),
        };
        Ok(Found {
            why: Some(format!("{why}{more}")),
            exit,
        })
    }
}
