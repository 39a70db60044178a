//! A server scripted by hand, and what most tests need.

use std::fmt::{Debug, Display};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use redivis_drop::config;
use redivis_drop::job::{SessionUrl, TempUploadId, TempUrl};
use redivis_drop::redivis::{
    Answer, ApiError, Bearer, Client, Limits, Lost, Registration, Reply, TempUploadRequest,
    UploadBody, session_from,
};
use url::Url;

pub const TOKEN: &str = "t0k3n-s3cr3t";
pub const PATH: &str = "/up/path-s3cr3t?upload_id=id-s3cr3t&sig=a%2Fs3cr3t";
pub const BIG: u64 = 64 * 1024 * 1024;

/// A server: `script` is run for each connection, with its number.
pub struct Server {
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

/// One accepted connection.
pub struct Line {
    pub stream: TcpStream,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn new(script: impl Fn(&mut Line, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (script, server) = (Arc::new(script), (heads.clone(), connections.clone()));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, heads) = (script.clone(), server.0.clone());
                let number = {
                    let mut connections = server.1.lock().unwrap();
                    *connections += 1;
                    *connections
                };
                thread::spawn(move || script(&mut Line { stream, heads }, number));
            }
        });
        Self {
            url,
            heads,
            connections,
        }
    }

    /// Answers every request with the same text.
    pub fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |line, _| {
            while line.request().is_some() {
                line.say(&answer);
            }
        })
    }

    pub fn client(&self) -> Client {
        self.client_within(Limits::default())
    }

    pub fn client_within(&self, limits: Limits) -> Client {
        let settings = config::Redivis {
            name: config::HOME.into(),
            is_elsewhere: false,
            endpoint: Url::parse(&format!("{}/api/v1", self.url)).unwrap(),
            token_file: None,
            send_token_to: Vec::new(),
            extra_ca_file: None,
        };
        Client::with_limits(&settings, Bearer::new(TOKEN).unwrap(), limits).unwrap()
    }

    pub fn temp(&self) -> TempUrl {
        TempUrl::new(format!("{}{PATH}", self.url))
    }

    pub fn session(&self) -> SessionUrl {
        session_from(&format!("{}{PATH}", self.url)).unwrap()
    }

    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Line {
    /// The next head, in lower case but for its values; noted. `None`: the client has closed.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    pub fn request(&mut self) -> Option<Vec<u8>> {
        let head = self.head()?;
        let length = value(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(body)
    }

    pub fn read(&mut self, length: usize) -> io::Result<()> {
        self.stream.read_exact(&mut vec![0; length])
    }

    pub fn say(&mut self, answer: &[u8]) {
        let _ = self.stream.write_all(answer);
    }

    /// Until the client closes; how much came.
    pub fn drain(&mut self) -> u64 {
        io::copy(&mut self.stream, &mut io::sink()).unwrap_or(0)
    }

    /// Says nothing, and keeps the connection open until the client closes it.
    pub fn hold(&mut self) {
        while !matches!(self.stream.peek(&mut [0]), Ok(0) | Err(_)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

pub fn json(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

pub fn zeros(len: u64) -> UploadBody {
    let piece = Bytes::from(vec![0; 256 * 1024]);
    let pieces = (0..len.div_ceil(256 * 1024)).map(move |at| {
        let left = usize::try_from(len - at * 256 * 1024).unwrap();
        Ok(piece.slice(..left.min(piece.len())))
    });
    UploadBody::stream(len, stream::iter(pieces))
}

pub fn clean(thing: &impl Debug) {
    let text = format!("{thing:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

pub fn answered(reply: Reply) -> Answer {
    let answer = reply.unwrap();
    clean(&answer);
    answer
}

pub fn lost(reply: Reply) -> Lost {
    let lost = reply.unwrap_err();
    clean(&lost);
    lost
}

pub fn failed<T: Debug>(result: Result<T, ApiError>) -> ApiError {
    let error = result.unwrap_err();
    clean(&error);
    clean(&format_args!("{}", &error as &dyn Display));
    error
}

pub fn one() -> Vec<TempUploadRequest> {
    vec![TempUploadRequest {
        name: "a".into(),
        size: 7,
        resumable: true,
    }]
}

pub fn file() -> Vec<Registration> {
    vec![Registration {
        name: "run 7/ä".into(),
        temp: TempUploadId::new("t1"),
    }]
}

pub fn quick() -> Limits {
    Limits {
        request: Duration::from_millis(200),
        stall: Duration::from_millis(200),
        source: Duration::from_millis(200),
        answer: Duration::from_millis(200),
        text: Duration::from_millis(100),
        ..Limits::default()
    }
}
