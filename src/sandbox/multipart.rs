//! The multipart form by which the official client sends small content along with `POST uploads`.

use std::io::Write as _;

use super::answer::Refusal;
use super::blobs::RunningSums;
use super::ledger::Entry;
use super::room::Room;

/// The boundary of a `multipart/form-data` body; `None` for any other content type.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let (_, boundary) = rest.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    (!boundary.is_empty()).then_some(boundary)
}

/// The content of the part with this name.
pub(super) fn part<'b>(body: &'b [u8], boundary: &str, name: &str) -> Option<&'b [u8]> {
    let wanted = format!("name=\"{name}\"");
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line break before it.
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes())?;
        let head = find(&part[..end], b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(&part[..head]);
        if headers.split([';', '\r', '\n']).any(|h| h.trim() == wanted) {
            return Some(&part[head + 4..end]);
        }
        rest = &part[end + delimiter.len()..];
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Stores the content as if it had come by a temp upload, whose id it returns.
pub(super) fn store(room: &Room, data: &[u8]) -> Result<String, Refusal> {
    let (id, blob) = (room.ids.draw(), room.ids.draw());
    room.blobs.create(&blob)?.write_all(data)?;
    let mut sums = RunningSums::default();
    sums.update(data);
    room.ledger.commit(vec![
        Entry::Temp {
            id: id.clone(),
            secret: room.ids.draw(),
            size: data.len() as u64,
            resumable: false,
        },
        Entry::Stored {
            temp: id.clone(),
            blob,
            sums: sums.finish(),
        },
    ])?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--xyz\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n\
        --xyz\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a.csv\"\r\n\
        Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n\r\n--xyz--\r\n";

    #[test]
    fn parts_are_found_by_name_and_keep_their_line_breaks() {
        assert_eq!(part(BODY, "xyz", "metadata"), Some(&b"{}"[..]));
        assert_eq!(part(BODY, "xyz", "data"), Some(&b"a,b\r\n1,2\r\n"[..]));
        assert_eq!(part(BODY, "xyz", "a.csv"), None);
        assert_eq!(part(b"--xyz--", "xyz", "data"), None);
        assert_eq!(part(b"", "xyz", "data"), None);
    }

    #[test]
    fn only_a_form_has_a_boundary() {
        for (text, want) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data; boundary=\"a b\"; x=y", Some("a b")),
            ("multipart/form-data", None),
            ("application/json", None),
        ] {
            assert_eq!(boundary(text), want, "{text}");
        }
    }
}
