//! What the server says it stored, and whether that is what was read here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::job::{Md5, Sums};

/// `x-goog-hash` and `x-goog-stored-content-length` of an answer; each may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Bytes stored.
    pub length: Option<u64>,
    /// CRC32C of the bytes stored.
    pub crc32c: Option<u32>,
    /// MD5 of the bytes stored.
    pub md5: Option<Md5>,
}

/// The server stored something else than was read here: data loss, if it were registered.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Discrepancy {
    /// The lengths differ.
    #[error("the server stored {theirs} bytes of {ours}")]
    Length {
        /// Bytes of the file.
        ours: u64,
        /// Bytes stored.
        theirs: u64,
    },
    /// The CRC32C sums differ.
    #[error("the server stored crc32c {theirs:08x}, the file has {ours:08x}")]
    Crc32c {
        /// Of the bytes read here.
        ours: u32,
        /// Of the bytes stored.
        theirs: u32,
    },
    /// The MD5 sums differ.
    #[error("the server stored md5 {theirs}, the file has {ours}")]
    Md5 {
        /// Of the bytes read here.
        ours: Md5,
        /// Of the bytes stored.
        theirs: Md5,
    },
}

impl Evidence {
    /// Gathers evidence from header values; `x-goog-hash` may come several times or with commas.
    /// A value that cannot be read is no evidence.
    pub fn from_headers<'a>(
        goog_hash: impl IntoIterator<Item = &'a str>,
        length: Option<u64>,
    ) -> Self {
        let mut evidence = Self {
            length,
            ..Self::default()
        };
        for part in goog_hash.into_iter().flat_map(|value| value.split(',')) {
            match part.trim().split_once('=') {
                Some(("crc32c", sum)) => evidence.crc32c = crc32c_from_base64(sum),
                Some(("md5", sum)) => evidence.md5 = Md5::parse(sum).ok(),
                _ => {}
            }
        }
        evidence
    }

    /// Holds what the server stored against the file: `size` bytes with these sums.
    /// What is absent is not held against it; the table's own md5 is the last judge.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn proves(&self, size: u64, sums: &Sums) -> Result<(), Discrepancy> {
        if let Some(theirs) = self.length.filter(|theirs| *theirs != size) {
            return Err(Discrepancy::Length { ours: size, theirs });
        }
        if let Some(theirs) = self.crc32c.filter(|theirs| *theirs != sums.crc32c) {
            return Err(Discrepancy::Crc32c {
                ours: sums.crc32c,
                theirs,
            });
        }
        match (sums.md5, self.md5) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(Discrepancy::Md5 { ours, theirs }),
            _ => Ok(()),
        }
    }
}

fn crc32c_from_base64(text: &str) -> Option<u32> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// crc32c and md5 of "123456789", as every reference lists them.
    fn sums() -> Sums {
        Sums {
            crc32c: 0xe306_9283,
            md5: Md5::parse("25f9e794323b453885f5181f1b624d0b").ok(),
        }
    }

    #[test]
    fn headers_become_evidence_whichever_way_they_are_split() {
        let (crc, md5) = ("crc32c=4waSgw==", "md5=JfnnlDI7RTiF9RgfG2JNCw==");
        let whole = Evidence::from_headers([format!("{crc},{md5}").as_str()], Some(9));
        assert_eq!(whole, Evidence::from_headers([crc, md5], Some(9)));
        let Sums { crc32c, md5: sum } = sums();
        let right = Evidence {
            length: Some(9),
            crc32c: Some(crc32c),
            md5: sum,
        };
        assert_eq!(whole, right);
        assert_eq!(whole.proves(9, &sums()), Ok(()));
        assert_eq!(
            Evidence::from_headers(["crc32c=?", "sha=1"], None),
            Evidence::default()
        );
    }

    #[test]
    fn each_difference_is_found() {
        let right = Evidence {
            length: Some(9),
            crc32c: Some(0xe306_9283),
            md5: sums().md5,
        };
        let wrong_md5 = Md5::parse("d41d8cd98f00b204e9800998ecf8427e").unwrap();
        for (evidence, finds) in [
            (
                Evidence {
                    length: Some(8),
                    ..right
                },
                "8 bytes of 9",
            ),
            (
                Evidence {
                    crc32c: Some(1),
                    ..right
                },
                "crc32c 00000001",
            ),
            (
                Evidence {
                    md5: Some(wrong_md5),
                    ..right
                },
                "md5 d41d8cd9",
            ),
        ] {
            let found = evidence.proves(9, &sums()).unwrap_err().to_string();
            assert!(found.contains(finds), "{found}");
        }
    }

    #[test]
    fn silence_is_no_difference() {
        assert_eq!(Evidence::default().proves(9, &sums()), Ok(()));
        // with `verify = "crc32c"` there is no md5 of ours to compare
        let md5_only = Evidence {
            md5: Some(Md5([0; 16])),
            ..Evidence::default()
        };
        let unhashed = Sums {
            md5: None,
            ..sums()
        };
        assert_eq!(md5_only.proves(9, &unhashed), Ok(()));
    }

    proptest! {
        #[test]
        fn any_sums_come_back_from_headers_and_prove_only_themselves(
            crc32c: u32, md5: [u8; 16], size: u64, other: u32, noise in any::<String>(),
        ) {
            let crc = format!("crc32c={}", STANDARD.encode(crc32c.to_be_bytes()));
            let md5_text = format!("md5={}", Md5(md5).to_base64());
            let noise = noise.replace("crc32c=", "").replace("md5=", "");
            let headers = [noise.as_str(), crc.as_str(), md5_text.as_str()];
            let evidence = Evidence::from_headers(headers, Some(size));
            let sums = Sums { crc32c, md5: Some(Md5(md5)) };
            prop_assert_eq!(evidence.proves(size, &sums), Ok(()));
            let differs = evidence.proves(size, &Sums { crc32c: other, ..sums }).is_err();
            prop_assert_eq!(differs, other != crc32c);
            prop_assert!(evidence.proves(size ^ 1, &sums).is_err());
            let another = Some(Md5(md5.map(|byte| !byte)));
            let sums = Sums { md5: another, ..sums };
            prop_assert!(evidence.proves(size, &sums).is_err());
        }
    }
}
