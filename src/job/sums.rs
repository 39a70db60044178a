//! Checksums of a file's bytes, and their state part of the way.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// An MD5 digest. Prints as lower-case hex, as `md5sum` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5(pub [u8; 16]);

/// Neither 32 hex digits nor 24 characters of base64.
#[derive(Debug, Error)]
#[error("not an md5 in hex or base64")]
pub struct ParseMd5Error;

impl Md5 {
    /// Reads hex or base64: Redivis' pages promise base64, older answers show hex.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, ParseMd5Error> {
        let bytes = if text.len() == 32 {
            hex(text).ok_or(ParseMd5Error)?
        } else {
            STANDARD.decode(text).map_err(|_| ParseMd5Error)?
        };
        bytes.try_into().map(Self).map_err(|_| ParseMd5Error)
    }

    /// As in `x-goog-hash` and the table's listing.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    // a sign would be read as part of a number
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5({self})")
    }
}

/// The checksums of all bytes of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// CRC32C (Castagnoli).
    pub crc32c: u32,
    /// `None` only with `verify = "crc32c"`.
    pub md5: Option<Md5>,
}

/// Where the checksums stand after the confirmed bytes, so that a resume need not read them again.
///
/// Opaque here: the engine's hasher writes and reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashState(pub Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn md5_reads_hex_and_base64_and_nothing_else() {
        let empty = "d41d8cd98f00b204e9800998ecf8427e";
        let sum = Md5::parse(empty).unwrap();
        assert_eq!(sum.to_string(), empty);
        assert_eq!(format!("{sum:?}"), format!("Md5({empty})"));
        assert_eq!(sum.to_base64(), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(Md5::parse(&sum.to_base64()).unwrap(), sum);
        for wrong in [
            "",
            "zz",
            "d41d8cd98f00b204e9800998ecf8427",
            "1B2M2Y8AsgTpgAmY7PhC",
            "+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1",
        ] {
            assert!(Md5::parse(wrong).is_err(), "{wrong}");
        }
        // 32 bytes that are no characters on every boundary
        assert!(Md5::parse("éééééééééééééééé").is_err());
    }

    proptest! {
        #[test]
        fn any_digest_comes_back_in_both_forms(bytes: [u8; 16], text in prop_oneof!["[0-9a-fA-F+ =/]{0,34}", "([+][0-9a-f]|[0-9a-f]{2}){16}"]) {
            let sum = Md5(bytes);
            let (hex, base64) = (sum.to_string(), sum.to_base64());
            for form in [&hex, &base64, &hex.to_uppercase()] {
                prop_assert_eq!(Md5::parse(form).unwrap(), sum);
            }
            // what is read is what was written, digit by digit
            if let Ok(sum) = Md5::parse(&text) {
                let same = text.to_lowercase() == sum.to_string() || text == sum.to_base64();
                prop_assert!(same, "{text:?}");
            }
        }
    }
}
