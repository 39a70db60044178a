//! Uploads: imports into a tabular table.

use std::time::Duration;

use redivis_drop::sandbox::{Action, Call};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Practice, TABLE, TOKEN, read};

impl Practice {
    async fn upload(&self, name: &str, text: &str) -> Value {
        let (temp, url) = self.reserve(text.len(), false).await;
        assert_eq!(self.put(&url, text.as_bytes()).await.status, 200);
        let body =
            json!({"name": name, "tempUploadId": temp, "type": "delimited", "delimiter": null});
        let reply = self.post("uploads", body).await;
        assert_eq!(reply.status, 200);
        reply.json()
    }

    /// Asks for the upload until its import has ended.
    async fn imported(&self, upload: &Value) -> Value {
        loop {
            let uri = upload["uri"].as_str().unwrap();
            let now = self.api(Method::GET, uri, None).await.json();
            if matches!(now["status"].as_str(), Some("completed" | "failed")) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_table_of_rows_is_counted() {
    let practice = Practice::new().await;
    let upload = practice.upload("rows.csv", "a,b\n1,2\n3,4\n").await;
    assert_eq!(upload["status"], "queued");
    assert!(
        upload["uri"]
            .as_str()
            .unwrap()
            .ends_with("/uploads/rows_csv")
    );
    let done = practice.imported(&upload).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["numRows"], 2);
    assert_eq!(done["size"], 12);
    let registered = practice.sandbox.registered(TABLE);
    assert_eq!(
        (registered[0].kind, registered[0].name.as_str()),
        ("upload", "rows.csv")
    );
}

#[tokio::test]
async fn an_import_that_a_script_holds_up_goes_on_when_the_server_is_started_again() {
    let practice = Practice::new().await;
    practice.fault(Call::Uploads, Action::ImportForever);
    let held = practice.upload("held.csv", "a\n1\n").await;
    assert_eq!(held["status"], "queued");
    let free = practice.upload("free.csv", "a\n1\n").await;
    assert_eq!(practice.imported(&free).await["status"], "completed");
    let uri = held["uri"].as_str().unwrap();
    let now = practice.api(Method::GET, uri, None).await.json();
    assert_eq!(now["status"], "running");
    let practice = practice.restart().await;
    assert_eq!(practice.imported(&held).await["status"], "completed");
}

#[tokio::test]
async fn a_bad_row_fails_the_import_and_is_named() {
    let practice = Practice::new().await;
    let upload = practice.upload("bad.csv", "a,b\n1,2\n3\n").await;
    let done = practice.imported(&upload).await;
    assert_eq!(done["status"], "failed");
    let message = done["errorMessage"].as_str().unwrap();
    assert!(message.contains("row 3"), "{message}");
    assert_eq!(practice.sandbox.registered(TABLE), []);
}

#[tokio::test]
async fn uploads_are_listed_looked_up_and_deleted_by_their_name_without_dots() {
    let practice = Practice::new().await;
    practice.upload("a.csv", "a\n").await;
    let second = practice.upload("a.csv", "a\n").await;
    assert_eq!(second["name"], "a.csv-2");
    let path = |rest: &str| format!("/tables/lab.data.raw/uploads{rest}");
    let page = practice
        .api(Method::GET, &path("?maxResults=1"), None)
        .await
        .json();
    assert_eq!(page["results"].as_array().unwrap().len(), 1);
    let rest = practice
        .api(Method::GET, &path("?pageToken=1"), None)
        .await
        .json();
    assert_eq!(rest["results"][0]["name"], "a.csv-2");
    assert!(rest["nextPageToken"].is_null());
    let head = |name: &'static str| practice.api(Method::HEAD, name, None);
    assert_eq!(head("/tables/lab.data.raw/uploads/a_csv").await.status, 200);
    let missing = head("/tables/lab.data.raw/uploads/b_csv").await;
    assert_eq!(missing.status, 404);
    assert!(missing.header("x-redivis-error-payload").is_some());
    let gone = practice.api(Method::DELETE, &path("/a_csv"), None).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, json!({})));
    assert_eq!(head("/tables/lab.data.raw/uploads/a_csv").await.status, 404);
}

#[tokio::test]
async fn a_table_holds_files_or_rows_not_both() {
    let practice = Practice::new().await;
    practice.upload("a.csv", "a\n").await;
    let table = practice
        .api(Method::GET, "/tables/lab.data.raw", None)
        .await;
    assert_eq!(table.json()["isFileIndex"], false);
    let (temp, url) = practice.reserve(1, false).await;
    practice.put(&url, b"x").await;
    assert_eq!(practice.register("x", &temp).await.status, 400);

    let body = Some(json!({"name": "files", "isFileIndex": true}));
    let made = practice
        .api(
            Method::POST,
            "/datasets/lab.data%3Anext/tables",
            body.clone(),
        )
        .await;
    assert_eq!(made.status, 201);
    let again = practice
        .api(Method::POST, "/datasets/lab.data%3Anext/tables", body)
        .await;
    assert_eq!(again.status, 400);
    let body = Some(json!({"name": "a", "tempUploadId": temp}));
    let refused = practice
        .api(Method::POST, "/tables/lab.data.files/uploads", body)
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn small_content_may_come_with_the_form() {
    let practice = Practice::new().await;
    let form = "--b\r\nContent-Disposition: form-data; name=\"metadata\"; filename=\"metadata\"\r\n\
                \r\n{\"name\":\"f.csv\"}\r\n--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\
                \r\na\n1\n\r\n--b--\r\n";
    let url = format!(
        "{}/tables/lab.data.raw/uploads",
        practice.sandbox.endpoint()
    );
    let request = practice.http.post(url).bearer_auth(TOKEN).body(form);
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    let reply = read(request.send().await.unwrap()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(practice.imported(&reply.json()).await["numRows"], 1);
}
