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
}
