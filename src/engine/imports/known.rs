//! What a table of rows holds already: the uploads whose rows are there, as far as they are told well enough.

use tokio::sync::mpsc;

use super::MOST_PAGES;
use crate::engine::Shared;
use crate::engine::batch;
use crate::redivis::{ApiError, Import, RemoteFile, Upload};

/// Lists a table's uploads, page by page. One that is still imported, failed, brought no rows, or of which size or md5
/// are not told, is no proof that a file need not be sent, and is left out.
pub(in crate::engine) async fn list_in_parts(
    shared: &Shared,
    table: &str,
    parts: mpsc::Sender<Vec<RemoteFile>>,
) -> Result<(), ApiError> {
    let mut after = None;
    for page in 0..MOST_PAGES {
        if page > 0 {
            // the first one is the caller's
            batch::budget(shared).await;
        }
        let page = shared.client.list_uploads(table, after.as_deref()).await?;
        let part = page.uploads.into_iter().filter_map(known).collect();
        if parts.send(part).await.is_err() {
            // whoever went has no use for it
            return Ok(());
        }
        match page.next {
            None => return Ok(()),
            Some(next) if Some(&next) == after.as_ref() => break,
            next => after = next,
        }
    }
    let what = "a list of uploads that does not end".to_owned();
    Err(ApiError::Nonsense { what })
}

fn known(upload: Upload) -> Option<RemoteFile> {
    let has_rows = upload.rows != Some(0);
    if upload.import != Import::Completed || !has_rows {
        return None;
    }
    Some(RemoteFile {
        id: upload.uri,
        name: upload.name,
        size: upload.size?,
        md5: upload.md5?,
        added_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Md5, RemoteId};

    #[test]
    fn only_rows_that_are_there_and_told_are_known() {
        let told = Upload {
            uri: RemoteId::new("/u"),
            name: "a.csv".into(),
            import: Import::Completed,
            size: Some(7),
            md5: Some(Md5([1; 16])),
            rows: Some(2),
        };
        let row = known(told.clone()).unwrap();
        assert_eq!(
            (row.id.as_str(), row.name.as_str(), row.size),
            ("/u", "a.csv", 7)
        );
        for other in [
            Upload {
                import: Import::UnderWay,
                ..told.clone()
            },
            Upload {
                import: Import::Failed("row 3".into()),
                ..told.clone()
            },
            Upload {
                size: None,
                ..told.clone()
            },
            Upload {
                md5: None,
                ..told.clone()
            },
            Upload {
                rows: Some(0),
                ..told.clone()
            },
        ] {
            assert_eq!(known(other), None);
        }
        // where rows are not counted
        assert!(known(Upload { rows: None, ..told }).is_some());
    }
}
