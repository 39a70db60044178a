//! Uploads of a table of rows: files that Redivis imports. One request takes in one file; how far the imports
//! are is told by pages of the table's list, of all of them at once.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::redact::Secrets;
use super::shapes::Count;
use super::{ApiError, Client};
use crate::config::Tabular;
use crate::crash_point::Call;
use crate::job::{Md5, RemoteId, TempUploadId};

/// Uploads on one page of the list.
pub const UPLOADS_PAGE: usize = 1000;

/// One file to take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// The remote name.
    pub name: String,
    /// The temp upload that holds its bytes.
    pub temp: TempUploadId,
    /// How its rows are to be read.
    pub options: Tabular,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// Not at its end, or at a point that this program has no word for.
    UnderWay,
    /// The rows are in the table.
    Completed,
    /// There are no rows, and this is why, in Redivis' words on one line.
    Failed(String),
}

/// An upload as Redivis has it. Not yet compared with anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its address below the API's, which need not follow from its name.
    pub uri: RemoteId,
    /// Not the one that was asked for, if another upload had that.
    pub name: String,
    /// How far it is.
    pub import: Import,
    /// Bytes, where that is said.
    pub size: Option<u64>,
    /// Of those bytes, where that is said.
    pub md5: Option<Md5>,
    /// Rows in the table, once it is imported, where that is said.
    pub rows: Option<u64>,
}

/// A part of a table's list of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPage {
    /// In the server's order.
    pub uploads: Vec<Upload>,
    /// Asks for the page after this one; `None`: there is none.
    pub next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    name: &'a str,
    temp_upload_id: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_header_row: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_bad_records: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_quoted_newlines: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_jagged_rows: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_character: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escape_character: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    null_markers: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<char>,
}

impl<'a> Wanted<'a> {
    fn of(upload: &'a NewUpload) -> Self {
        let options = &upload.options;
        Self {
            name: &upload.name,
            temp_upload_id: upload.temp.as_str(),
            format: options.format,
            has_header_row: options.has_header_row,
            skip_bad_records: options.skip_bad_records,
            has_quoted_newlines: options.has_quoted_newlines,
            allow_jagged_rows: options.allow_jagged_rows,
            quote_character: options.quote_character,
            escape_character: options.escape_character,
            null_markers: options.null_markers.as_deref(),
            delimiter: options.delimiter,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    uri: String,
    name: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    size: Option<Count>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    num_rows: Option<Count>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    results: Vec<Said>,
    #[serde(default)]
    next_page_token: Option<String>,
}

impl Said {
    fn read(self, secrets: &Secrets<'_>) -> Upload {
        let import = match self.status.as_deref() {
            Some("completed") => Import::Completed,
            Some("failed") => Import::Failed(match self.error_message.as_deref() {
                Some(text) if !text.trim().is_empty() => secrets.line(text),
                _ => "the import failed, and no reason was given".to_owned(),
            }),
            _ => Import::UnderWay,
        };
        Upload {
            uri: RemoteId::new(self.uri),
            name: self.name,
            import,
            size: self.size.map(|size| size.0),
            md5: self.hash.and_then(|hash| Md5::parse(&hash).ok()),
            rows: self.num_rows.map(|rows| rows.0),
        }
    }
}

impl Client {
    /// Takes one stored file in, whose import begins then. Not idempotent: unless the error says
    /// [`certainly_not_applied`](ApiError::certainly_not_applied), look before repeating it.
    pub async fn create_upload(&self, table: &str, upload: &NewUpload) -> Result<Upload, ApiError> {
        let url = self.locate("tables", table, "/uploads")?;
        let said: Said = self.post(Call::UPLOADS, url, &Wanted::of(upload)).await?;
        if said.uri.is_empty() {
            return Err(ApiError::nonsense("an upload without a `uri`"));
        }
        Ok(said.read(&Secrets::of_token(&self.token())))
    }

    /// A page of a table's uploads: the first one, or the one that `after` asks for.
    pub async fn list_uploads(
        &self,
        table: &str,
        after: Option<&str>,
    ) -> Result<UploadPage, ApiError> {
        let mut url = self.locate("tables", table, "/uploads")?;
        url.query_pairs_mut()
            .append_pair("maxResults", &UPLOADS_PAGE.to_string())
            .extend_pairs(after.map(|token| ("pageToken", token)));
        Call::LIST_UPLOADS.before();
        let page = self.call::<Page>(Method::GET, url, None).await;
        Call::LIST_UPLOADS.answered();
        let page = page?;
        let token = self.token();
        let secrets = Secrets::of_token(&token);
        let uploads = page.results.into_iter().map(|said| said.read(&secrets));
        Ok(UploadPage {
            uploads: uploads.collect(),
            next: page.next_page_token.filter(|token| !token.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redivis::Bearer;
    use serde_json::json;

    fn read(json: serde_json::Value) -> Upload {
        let token = Bearer::new("t0k3n").unwrap();
        let said: Said = serde_json::from_value(json).unwrap();
        said.read(&Secrets::of_token(&token))
    }

    #[test]
    fn an_option_that_was_not_set_is_left_out_of_the_request() {
        let mut upload = NewUpload {
            name: "a/b.csv".into(),
            temp: TempUploadId::new("t1"),
            options: Tabular::default(),
        };
        let plain = json!({"name": "a/b.csv", "tempUploadId": "t1"});
        assert_eq!(serde_json::to_value(Wanted::of(&upload)).unwrap(), plain);
        upload.options = Tabular {
            format: Some("delimited"),
            has_header_row: Some(false),
            skip_bad_records: Some(true),
            has_quoted_newlines: Some(true),
            allow_jagged_rows: Some(false),
            quote_character: Some('\''),
            escape_character: Some('\\'),
            delimiter: Some('\t'),
            null_markers: Some(vec!["NA".into(), String::new()]),
        };
        let full = json!({
            "name": "a/b.csv", "tempUploadId": "t1", "type": "delimited", "hasHeaderRow": false,
            "skipBadRecords": true, "hasQuotedNewlines": true, "allowJaggedRows": false,
            "quoteCharacter": "'", "escapeCharacter": "\\", "delimiter": "\t", "nullMarkers": ["NA", ""],
        });
        assert_eq!(serde_json::to_value(Wanted::of(&upload)).unwrap(), full);
    }

    #[test]
    fn only_what_is_called_completed_is_and_a_failure_has_its_reason_on_one_line() {
        let status = |status: serde_json::Value| {
            let row = json!({"uri": "/u", "name": "a", "status": status, "errorMessage": "row 3,\ncolumn b: t0k3n"});
            read(row).import
        };
        assert_eq!(status(json!("completed")), Import::Completed);
        for other in [
            json!("queued"),
            json!("running"),
            json!("Completed?"),
            json!(null),
        ] {
            assert_eq!(status(other), Import::UnderWay);
        }
        let Import::Failed(why) = status(json!("failed")) else {
            panic!("not failed");
        };
        assert!(why.contains("row 3") && why.contains("column b"), "{why}");
        assert!(!why.contains('\n') && !why.contains("t0k3n"), "{why}");
        let silent = read(json!({"uri": "/u", "name": "a", "status": "failed"}));
        assert!(matches!(silent.import, Import::Failed(why) if why.contains("no reason")));
    }

    #[test]
    fn sizes_and_hashes_come_in_every_form_or_not_at_all() {
        let bytes = [0x11; 16];
        for (size, hash, want) in [
            (
                json!(12),
                json!("11111111111111111111111111111111"),
                (Some(12), Some(Md5(bytes))),
            ),
            (
                json!("12"),
                json!("EREREREREREREREREREREQ=="),
                (Some(12), Some(Md5(bytes))),
            ),
            (json!(null), json!(null), (None, None)),
            (json!(0), json!("no hash"), (Some(0), None)),
        ] {
            let upload = read(json!({"uri": "/u", "name": "a", "size": size, "hash": hash}));
            assert_eq!((upload.size, upload.md5), want);
        }
    }
}
