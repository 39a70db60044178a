//! A server with a client that sends exactly what a test says, right or wrong.

use std::path::Path;

use redivis_drop::sandbox::{Action, Call, Fault, Sandbox, Settings};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The token that the server accepts.
pub const TOKEN: &str = "practice";

/// The table of most tests.
pub const TABLE: &str = "lab.data:next.raw";

/// 256 KiB.
pub const QUANTUM: usize = 256 * 1024;

/// A server in a folder of its own, and a client for it.
pub struct Practice {
    pub sandbox: Sandbox,
    pub dir: TempDir,
    pub http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Practice {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = start(dir.path(), change).await;
        Self {
            sandbox,
            dir,
            http: client(),
        }
    }

    /// Stops the server and starts it again in the same folder.
    pub async fn restart(self) -> Self {
        let Self { sandbox, dir, .. } = self;
        sandbox.stop().await;
        let sandbox = start(dir.path(), |_| {}).await;
        Self {
            sandbox,
            dir,
            http: client(),
        }
    }

    pub fn fault(&self, call: Call, action: Action) {
        self.sandbox.script(vec![Fault::new(call, action)]);
    }

    /// One request to the API.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let url = format!("{}{path}", self.sandbox.endpoint());
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// `POST /tables/:ref/<what>`.
    pub async fn post(&self, what: &str, body: Value) -> Reply {
        let table = TABLE.replace(':', "%3A");
        let path = format!("/tables/{table}/{what}");
        self.api(Method::POST, &path, Some(body)).await
    }

    /// Reserves one temp upload: its id and URL.
    pub async fn reserve(&self, size: usize, resumable: bool) -> (String, String) {
        let wanted = json!({"tempUploads": [{"name": "x", "size": size, "resumable": resumable}]});
        let reply = self.post("tempUploads", wanted).await;
        assert_eq!(reply.status, 200);
        let result = &reply.json()["results"][0];
        let text = |name: &str| result[name].as_str().unwrap().to_owned();
        (text("id"), text("url"))
    }

    /// A plain PUT.
    pub async fn put(&self, url: &str, content: &[u8]) -> Reply {
        read(self.try_put(url, content, None).await.unwrap()).await
    }

    /// A PUT that may fail.
    pub async fn try_put(
        &self,
        url: &str,
        content: &[u8],
        range: Option<&str>,
    ) -> reqwest::Result<reqwest::Response> {
        let mut request = self.http.put(url).body(content.to_vec());
        request = request.header("content-length", content.len());
        if let Some(range) = range {
            request = request.header("content-range", range);
        }
        request.send().await
    }

    /// Reserves a resumable upload and opens a session: the temp upload's id, the session's URL.
    pub async fn session(&self, size: usize) -> (String, String) {
        let (id, url) = self.reserve(size, true).await;
        let reply = self.start(&url, size).await;
        assert_eq!(reply.status, 201);
        (id, reply.header("location").unwrap().to_owned())
    }

    /// The POST that opens a session.
    pub async fn start(&self, url: &str, size: usize) -> Reply {
        let request = self
            .http
            .post(url)
            .header("content-length", 0)
            .header("x-upload-content-length", size)
            .header("x-goog-resumable", "start");
        read(request.send().await.unwrap()).await
    }

    /// A PUT on a session with this `Content-Range`.
    pub async fn chunk(&self, session: &str, range: &str, content: &[u8]) -> Reply {
        read(self.try_put(session, content, Some(range)).await.unwrap()).await
    }

    /// `bytes */N`.
    pub async fn query(&self, session: &str, size: usize) -> Reply {
        self.chunk(session, &format!("bytes */{size}"), b"").await
    }

    /// Registers one temp upload.
    pub async fn register(&self, name: &str, temp: &str) -> Reply {
        let files = json!({"files": [{"name": name, "tempUploadId": temp}]});
        self.post("rawFiles", files).await
    }

    /// A control call: its JSON.
    pub async fn control(&self, method: Method, name: &str, body: Option<Value>) -> Reply {
        let url = format!("http://{}/_sandbox/{name}", self.sandbox.api_addr());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }
}

async fn start(dir: &Path, change: impl FnOnce(&mut Settings)) -> Sandbox {
    let mut settings = Settings::new(dir, TOKEN);
    change(&mut settings);
    Sandbox::start(settings).await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub async fn read(response: reqwest::Response) -> Reply {
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// Sends raw bytes to a URL's host and closes the sending side after them; the whole answer.
pub async fn raw(url: &str, head: &str, body: &[u8]) -> String {
    let mut stream = open(url, head, body).await;
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is no matter here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Begins a raw request and leaves it open. `{path}` and `{host}` in the head are the URL's.
pub async fn open(url: &str, head: &str, body: &[u8]) -> TcpStream {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let head = head
        .replace("{path}", &format!("/{path}"))
        .replace("{host}", host);
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// So many bytes that do not repeat themselves at any power of two.
pub fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}
