//! What Redivis writes and reads, as JSON. Only the fields that matter; others may come and go.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct NewTempUploads<'a> {
    #[serde(rename = "tempUploads")]
    pub temp_uploads: Vec<NewTempUpload<'a>>,
}

/// `name` is not on the page of this call, was required earlier, and the official client sends it.
#[derive(Serialize)]
pub(super) struct NewTempUpload<'a> {
    pub name: &'a str,
    pub size: u64,
    pub resumable: bool,
}

#[derive(Serialize)]
pub(super) struct NewFiles<'a> {
    pub files: Vec<NewFile<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewFile<'a> {
    pub name: &'a str,
    pub temp_upload_id: &'a str,
}

/// `tempUploadList`, `rawFileList`.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub results: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct TempUpload {
    pub id: String,
    pub url: String,
    pub size: Option<Count>,
    pub resumable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawFile {
    pub id: String,
    pub name: String,
    pub size: Count,
    pub md5_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    pub name: Option<String>,
    pub qualified_reference: Option<String>,
    pub is_file_index: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dataset {
    pub name: Option<String>,
    pub qualified_reference: Option<String>,
    /// An object with a `tag`, or null before the first release.
    #[serde(default)]
    pub current_version: Option<serde_json::Value>,
    #[serde(default)]
    pub next_version: Option<de::IgnoredAny>,
}

/// A number that comes as `12` or as `"12"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, as such or in quotes")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Count, E> {
                Ok(Count(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.then(|| text.parse().ok()).flatten();
                // not the text itself: it is the server's
                number
                    .map(Count)
                    .ok_or_else(|| E::custom("no whole number"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An error in one of its two forms. Whatever is missing or of another type is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    pub code: Option<String>,
    pub text: Option<String>,
    pub scope: Option<String>,
}

impl Complaint {
    /// `{"error": "code", "error_description": "text", "scope": "a b"}` or
    /// `{"error": {"message": "text"}}`; of anything else, nothing.
    pub fn read(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(body) else {
            return Self::default();
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        Self {
            code: text(&json["error"]).or_else(|| text(&json["error"]["code"])),
            text: text(&json["error_description"])
                .or_else(|| text(&json["error"]["message"]))
                .or_else(|| text(&json["message"])),
            scope: text(&json["scope"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Any JSON, with names that mean something here more often than by chance.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[0-9]{1,22}".prop_map(Value::from),
        ];
        let names = "results|id|url|size|resumable|name|md5Hash|error|error_description|message|code|scope|nextVersion|isFileIndex|kind";
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(names, inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn a_number_comes_in_two_forms() {
        for (json, want) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            (r#""0""#, Some(0)),
            (r#""9007199254740993""#, Some(9_007_199_254_740_993)),
            ("-1", None),
            ("1.5", None),
            (r#""""#, None),
            (r#""-1""#, None),
            (r#""+1""#, None),
            (r#""1e3""#, None),
            (r#""18446744073709551616""#, None),
            ("null", None),
            ("[1]", None),
        ] {
            let count = serde_json::from_str::<Count>(json).ok();
            assert_eq!(count.map(|count| count.0), want, "{json}");
        }
    }

    #[test]
    fn an_error_is_read_in_both_forms_and_survived_in_any_other() {
        let read = |body| {
            let Complaint { code, text, scope } = Complaint::read(body);
            [code, text, scope].map(Option::unwrap_or_default)
        };
        for (body, want) in [
            (
                r#"{"error":"insufficient_scope","error_description":"no","status":403,"scope":"data.edit"}"#,
                ["insufficient_scope", "no", "data.edit"],
            ),
            (
                r#"{"error":{"message":"gone","status":404}}"#,
                ["", "gone", ""],
            ),
            (r#"{"error":{"code":"x","message":["y"]}}"#, ["x", "", ""]),
            (r#"{"error":7,"error_description":null}"#, ["", "", ""]),
            (r#"{"message":"plain"}"#, ["", "plain", ""]),
            ("<html>no</html>", ["", "", ""]),
            ("[]", ["", "", ""]),
            ("", ["", "", ""]),
        ] {
            assert_eq!(read(body), want, "{body}");
        }
        assert_eq!(Complaint::read(&"[".repeat(60_000)), Complaint::default());
    }

    /// Nearly a list of temp uploads.
    fn any_list() -> impl Strategy<Value = Value> {
        let size = prop_oneof![
            any_json(),
            any::<u64>().prop_map(Value::from),
            "[0-9]{1,22}".prop_map(Value::from)
        ];
        let row = (any::<String>(), any::<String>(), size, proptest::option::of(any::<bool>()))
            .prop_map(|(id, url, size, resumable)| json!({"id": id, "url": url, "size": size, "resumable": resumable}));
        proptest::collection::vec(prop_oneof![9 => row, 1 => any_json()], 0..4)
            .prop_map(|rows| json!({"results": rows}))
    }

    proptest! {
        #[test]
        fn any_json_is_read_only_if_each_field_is_there(json in prop_oneof![any_json(), any_list()], extra in any_json()) {
            let text = json.to_string();
            // serde takes a list for fields in their order, which no answer of Redivis is
            let rows = json["results"].as_array().cloned().unwrap_or_default();
            if !json.is_object() || rows.iter().any(Value::is_array) {
                return Ok(());
            }
            if let Ok(list) = serde_json::from_str::<List<TempUpload>>(&text) {
                prop_assert_eq!(list.results.len(), rows.len());
                for (one, row) in list.results.iter().zip(&rows) {
                    prop_assert_eq!(Some(one.id.as_str()), row["id"].as_str());
                    prop_assert_eq!(Some(one.url.as_str()), row["url"].as_str());
                    prop_assert_eq!(one.resumable, row["resumable"].as_bool());
                    let bare = row["size"].as_str().map_or(row["size"].to_string(), str::to_owned);
                    prop_assert_eq!(one.size.map(|size| size.0), bare.parse().ok(), "{}", bare);
                    prop_assert!(one.size.is_some() || row["size"].is_null());
                }
            }
            let dataset = serde_json::from_value::<Dataset>(json.clone());
            if let Ok(dataset) = dataset {
                prop_assert_eq!(dataset.next_version.is_some(), !json["nextVersion"].is_null());
            }
            let _ = serde_json::from_str::<Table>(&text);
            // nothing is made up: each word of a complaint stands in the body
            let Complaint { code, text: said, scope } = Complaint::read(&text);
            for word in [code, said, scope].into_iter().flatten() {
                let quoted = Value::from(word).to_string();
                prop_assert!(text.contains(&quoted), "{quoted} in {text}");
            }
            // and what else stands there changes nothing
            let file = json!({"id": "1", "name": "a/b", "size": "5", "md5Hash": "x", "extra": extra});
            let file: RawFile = serde_json::from_value(file).unwrap();
            prop_assert_eq!((file.name.as_str(), file.size), ("a/b", Count(5)));
        }

        #[test]
        fn any_bytes_are_survived_as_an_answer(bytes: Vec<u8>, cut in 0..200_usize) {
            let whole = json!({"results": [{"id": "1", "url": "https://up.example/1", "size": "3", "resumable": true}]}).to_string();
            let start = &whole.as_bytes()[..cut % whole.len()];
            for body in [&bytes, start] {
                prop_assert!(serde_json::from_slice::<List<TempUpload>>(body).is_err());
                prop_assert!(serde_json::from_slice::<List<RawFile>>(body).is_err());
            }
            let _ = Complaint::read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_count_comes_back_in_both_forms(count: u64) {
            for json in [json!(count), json!(count.to_string())] {
                prop_assert_eq!(serde_json::from_value::<Count>(json).unwrap(), Count(count));
            }
        }
    }

    #[test]
    fn a_next_version_is_null_or_something() {
        for (json, exists) in [
            (r#"{"nextVersion":{"a":[1]}}"#, true),
            (r#"{"nextVersion":null}"#, false),
            ("{}", false),
        ] {
            let dataset: Dataset = serde_json::from_str(json).unwrap();
            assert_eq!(dataset.next_version.is_some(), exists, "{json}");
        }
    }
}
