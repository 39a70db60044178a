//! What the configuration names already and the code does not do yet.
//!
//! A value that would be ignored is refused instead. When a feature arrives, its row goes.

use toml::de::DeValue;

use super::value::{Complaint, Reading};

/// Section, key, and the only value that is accepted so far, as it stands in the file.
const NOT_YET: &[(&str, &str, &str)] = &[("status", "listen", r#""""#)];

/// The complaint about a value that is right in itself but needs a feature that is not there.
pub(super) fn refuse<T: PartialEq>(
    section: &str,
    key: &str,
    found: &T,
    read: impl Fn(&DeValue) -> Reading<T>,
) -> Option<Complaint> {
    let (_, _, only) = NOT_YET
        .iter()
        .find(|(in_section, name, _)| *in_section == section && *name == key)?;
    let default = DeValue::parse(only).ok()?;
    let is_default = read(default.get_ref()).is_ok_and(|default| default == *found);
    if is_default {
        return None;
    }
    Some(match default.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => {
            Complaint::new("not yet: this version has no such section").hint("remove it")
        }
        _ => Complaint::new(format!("not yet: this version knows only {only}"))
            .hint(format!("remove the line, or write {key} = {only}")),
    })
}

/// Whether a key has a feature behind it, so that values other than its default are taken.
pub(super) fn is_there(section: &str, key: &str) -> bool {
    !NOT_YET
        .iter()
        .any(|(in_section, name, _)| *in_section == section && *name == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_toml() {
        for (section, key, only) in NOT_YET {
            assert!(DeValue::parse(only).is_ok(), "{section}.{key}");
        }
    }
}
