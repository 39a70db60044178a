//! An answer's bytes: read up to a limit, whatever its length says.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::retry_after;

/// No error text is worth more.
pub(super) const ERROR_CAP: usize = 64 * 1024;
/// A thousand temp uploads with signed URLs are about 2 MiB.
pub(super) const RESULT_CAP: usize = 8 * 1024 * 1024;

/// What came of reading a body.
pub(super) enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It was longer than the limit: its start. The connection is not used again.
    Cut(Vec<u8>),
    /// The connection failed on the way: what had come, and why there is no more.
    Broken(Vec<u8>, reqwest::Error),
}

impl Body {
    /// Reads up to `cap` bytes and drops the connection when there are more.
    pub async fn read(mut response: Response, cap: usize) -> Self {
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = cap - bytes.len();
                    bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return Self::Cut(bytes);
                    }
                }
                Ok(None) => return Self::Whole(bytes),
                Err(error) => return Self::Broken(bytes, error),
            }
        }
    }

    /// What there is of it, as text: good enough for an error.
    pub fn text(&self) -> String {
        let (Self::Whole(bytes) | Self::Cut(bytes) | Self::Broken(bytes, _)) = self;
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// Whether this is a page for people: what a captive portal or a login proxy answers.
pub(super) fn is_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    let starts_with = |tag: &[u8]| {
        start
            .get(..tag.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(tag))
    };
    starts_with(b"<!doctype html") || starts_with(b"<html")
}

/// One header as text; bytes that are no text count as absent.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After`, if it says anything.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let value = header(headers, RETRY_AFTER.as_str())?;
    retry_after::parse(value, header(headers, DATE.as_str()), Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_first_tag() {
        for (text, page) in [
            ("<!DOCTYPE html><html>", true),
            ("\r\n <HTML lang=en>", true),
            ("<?xml version='1.0'?><Error>", false),
            ("<Error>", false),
            ("{}", false),
            ("", false),
            ("<h", false),
        ] {
            assert_eq!(is_page(text.as_bytes()), page, "{text}");
        }
    }
}
