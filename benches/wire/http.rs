//! As much of HTTP/1.1 as uploads need: a head, a body that is thrown away or kept, an answer.

use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// Bytes of a head, all lines together.
const LONGEST_HEAD: usize = 64 * 1024;
/// Bytes of a body that is kept; a registration of 1,000 files is smaller.
const LONGEST_KEPT: u64 = 4 << 20;
/// Bytes taken from the socket at a time.
const BUFFER: usize = 256 * 1024;

/// One connection.
pub struct Wire {
    reader: BufReader<TcpStream>,
}

/// A request without its body.
#[derive(Debug)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub length: u64,
    pub content_range: Option<String>,
    waits_for_100: bool,
}

/// What goes back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Self::json(status, String::new())
    }

    pub fn json(status: u16, body: String) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::with_capacity(BUFFER, stream),
        })
    }

    /// The next request; `None` when the client has hung up.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let mut line = String::new();
        if self.line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(bad("no request line"));
        };
        let mut head = Head {
            method: method.to_owned(),
            path: path.to_owned(),
            length: 0,
            content_range: None,
            waits_for_100: false,
        };
        let mut total = 0;
        loop {
            line.clear();
            total += self.line(&mut line)?;
            if total > LONGEST_HEAD {
                return Err(bad("a head without end"));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(Some(head));
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.length = value.parse().map_err(|_| bad("no content length"))?;
                }
                "content-range" => head.content_range = Some(value.to_owned()),
                "expect" => head.waits_for_100 = true,
                "transfer-encoding" => return Err(bad("a body without a length")),
                _ => {}
            }
        }
    }

    fn line(&mut self, line: &mut String) -> io::Result<usize> {
        (&mut self.reader)
            .take(LONGEST_HEAD as u64)
            .read_line(line)
            .or_else(|error| match error.kind() {
                ErrorKind::ConnectionReset => Ok(0),
                _ => Err(error),
            })
    }

    /// Throws the body away; `arrived` hears of every piece as it comes.
    pub fn discard(&mut self, head: &Head, mut arrived: impl FnMut(u64)) -> io::Result<()> {
        self.invite(head)?;
        let mut left = head.length;
        while left > 0 {
            let got = self.reader.fill_buf()?.len();
            if got == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let piece = left.min(got as u64);
            arrived(piece);
            left -= piece;
            self.reader.consume(usize::try_from(piece).unwrap_or(got));
        }
        Ok(())
    }

    /// The whole body, if it is not larger than a batch can be.
    pub fn keep(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if head.length > LONGEST_KEPT {
            return Err(bad("a body too large"));
        }
        self.invite(head)?;
        let mut body = Vec::new();
        (&mut self.reader)
            .take(head.length)
            .read_to_end(&mut body)?;
        if (body.len() as u64) < head.length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(body)
    }

    /// curl waits a second for this before it sends a large body.
    fn invite(&mut self, head: &Head) -> io::Result<()> {
        if head.waits_for_100 {
            self.reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(())
    }

    /// One write, so that it is one packet.
    pub fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        use std::fmt::Write as _;
        let Answer {
            status,
            headers,
            body,
        } = answer;
        let mut text = format!(
            "HTTP/1.1 {status} Sink\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            text.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in headers {
            // writing to a String cannot fail
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.reader.get_mut().write_all(text.as_bytes())
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
