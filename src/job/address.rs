//! How the journal calls a table: by its reference alone, or, if it is at another endpoint than the journal's home, by
//! both. The same reference at two endpoints means two tables.
//!
//! ```text
//! my_lab.sequencing:next.raw_reads
//! https://redivis.example/api/v1#my_lab.sequencing:next.raw_reads
//! ```
//!
//! Neither a reference nor an endpoint holds a `#`.

/// A table, or anything else that goes by a reference, at an endpoint.
pub fn at(endpoint: &str, reference: &str) -> String {
    format!("{endpoint}#{reference}")
}

/// The endpoint, if it is not the journal's home, and the reference.
pub fn parts(address: &str) -> (Option<&str>, &str) {
    match address.rsplit_once('#') {
        Some((endpoint, reference)) => (Some(endpoint), reference),
        None => (None, address),
    }
}

/// The table of a next version, in the current version: that is what it is called once it was released. None if the
/// reference names no next version.
pub fn released(table: &str) -> Option<String> {
    let (dataset, name) = table.rsplit_once('.')?;
    let current = dataset.strip_suffix(":next")?;
    Some(format!("{current}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_called_by_its_endpoint_only_where_that_is_another() {
        let table = "lab.data:next.raw";
        assert_eq!(parts(table), (None, table));
        let there = at("https://redivis.example:8443/api/v1", table);
        let endpoint = Some("https://redivis.example:8443/api/v1");
        assert_eq!(parts(&there), (endpoint, table));
    }

    #[test]
    fn a_next_version_that_was_released_is_the_current_one() {
        let there = at("https://redivis.example/api/v1", "lab.data:next.raw");
        let current = at("https://redivis.example/api/v1", "lab.data.raw");
        for (table, want) in [
            ("lab.data:next.raw", Some("lab.data.raw")),
            (
                "lab.data:7br5:next.raw:9fwz",
                Some("lab.data:7br5.raw:9fwz"),
            ),
            (&there, Some(&*current)),
            ("lab.data.raw", None),
            ("lab.data:v1.0.raw", None),
            ("raw", None),
        ] {
            assert_eq!(released(table).as_deref(), want, "{table}");
        }
    }
}
