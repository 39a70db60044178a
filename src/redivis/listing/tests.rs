//! Listings as they come in, whole and damaged.

use super::*;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int32Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;
use proptest::prelude::*;

use crate::job::Md5;

const HEX: &str = "d41d8cd98f00b204e9800998ecf8427e";
const BASE64: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

fn texts(values: [&str; 3]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn columns() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("file_id", texts(["1", "2", "3"])),
        ("file_name", texts(["a", "run 7/b", "c"])),
        ("size", Arc::new(Int64Array::from(vec![0, 5, 1 << 60]))),
        ("md5_hash", texts([BASE64, HEX, BASE64])),
    ]
}

/// The columns, one of them replaced or added.
fn with(name: &'static str, column: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = columns();
    columns.retain(|(other, _)| *other != name);
    columns.push((name, column));
    columns
}

fn stream(columns: Vec<(&'static str, ArrayRef)>, batches: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    for _ in 0..batches {
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn read(bytes: &[u8], chunk: usize, has_length: bool) -> Result<Vec<RemoteFile>, String> {
    let mut listing = Listing::new();
    let mut want = |name: &str| if name == "c" { Want::Not } else { Want::Whole };
    for chunk in bytes.chunks(chunk) {
        listing.feed(Bytes::copy_from_slice(chunk), &mut want)?;
    }
    let files = std::mem::take(&mut listing.files);
    listing.finish(has_length).map(|()| files)
}

#[test]
fn rows_are_read_wherever_the_network_cuts_them() {
    let bytes = stream(columns(), 3);
    for chunk in [1, 2, 3, 5, 7, 64, 1000, bytes.len()] {
        let files = read(&bytes, chunk, false).unwrap();
        assert_eq!(files.len(), 6, "chunks of {chunk}");
        let file = &files[1];
        assert_eq!((file.id.as_str(), file.name.as_str()), ("2", "run 7/b"));
        assert_eq!((file.size, file.md5.to_string()), (5, HEX.into()));
        assert_eq!(file.added_at, None);
    }
    assert_eq!(read(&stream(columns(), 0), 9, true).unwrap(), []);
}

#[test]
fn columns_come_in_many_types() {
    let raw = Md5::parse(HEX).unwrap().0;
    let raw = FixedSizeBinaryArray::try_from_iter([raw; 3].into_iter()).unwrap();
    let moment = 1_700_000_000_000_000;
    let names: DictionaryArray<Int32Type> = ["a", "run 7/b", "c"].into_iter().collect();
    for columns in [
        with("size", texts(["0", "5", "9"])),
        with("size", Arc::new(UInt64Array::from(vec![0, 5, u64::MAX]))),
        with("size", Arc::new(Int32Array::from(vec![0, 5, 9]))),
        with(
            "file_id",
            Arc::new(LargeStringArray::from(vec!["1", "2", "3"])),
        ),
        with("file_name", Arc::new(names)),
        with("md5_hash", Arc::new(raw)),
        with(
            "added_at",
            Arc::new(TimestampMicrosecondArray::from(vec![moment; 3])),
        ),
        with("added_at", texts(["2023-11-14T22:13:20Z"; 3])),
        with("added_at", texts(["once"; 3])),
        with("another", texts([""; 3])),
    ] {
        let known = columns[4..].iter().any(|(name, _)| *name == "added_at");
        let readable = known && columns[4].1.data_type() != &DataType::Utf8;
        let files = read(&stream(columns, 1), 50, true).unwrap();
        let file = &files[1];
        assert_eq!((file.id.as_str(), file.name.as_str()), ("2", "run 7/b"));
        assert_eq!((file.size, file.md5.to_string()), (5, HEX.into()));
        if readable {
            assert_eq!(file.added_at.unwrap().as_microsecond(), moment);
        }
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_a_missing_row() {
    let whole = stream(columns(), 2);
    let no_end = &whole[..whole.len() - 8];
    let mut no_md5 = columns();
    no_md5.pop();
    for (bytes, has_length, want) in [
        (
            &whole[..whole.len() - 100],
            true,
            "an Arrow stream that ends in the middle",
        ),
        (no_end, false, "an Arrow stream that may have been cut off"),
        (b"", true, "an empty body instead of an Arrow stream"),
        (
            b" <html><body>log in",
            true,
            "an HTML page, as of a captive portal or a login",
        ),
        (
            &stream(no_md5, 1),
            true,
            "a listing without the column md5_hash",
        ),
        (
            &stream(with("md5_hash", texts(["", "?", ""])), 1),
            true,
            "a listing whose md5_hash cannot be read",
        ),
        (
            &stream(with("size", Arc::new(Int64Array::from(vec![-1, 5, 6]))), 1),
            true,
            "a listing whose size cannot be read",
        ),
        (
            &stream(
                with(
                    "size",
                    Arc::new(Int64Array::from(vec![None, Some(1), None])),
                ),
                1,
            ),
            true,
            "a listing whose size cannot be read",
        ),
        (
            &stream(
                with("file_name", Arc::new(Int64Array::from(vec![1, 2, 3]))),
                1,
            ),
            true,
            "a listing whose file_name is no text",
        ),
    ] {
        for chunk in [1, 1000] {
            assert_eq!(read(bytes, chunk, has_length).unwrap_err(), want);
        }
    }
    // with a length, the end of the body is proof enough
    assert_eq!(read(no_end, 1000, true).unwrap().len(), 4);
    assert!(read(b"{\"results\":[]}", 4, true).is_err());
}

#[test]
fn rows_that_nobody_wants_need_not_be_readable() {
    let sizes = Int64Array::from(vec![Some(1), Some(2), None]);
    let files = read(&stream(with("size", Arc::new(sizes)), 1), 1000, true).unwrap();
    assert_eq!(files.len(), 2);
}

#[test]
fn a_buffer_beyond_the_body_is_damage() {
    // Found by the test below: Arrow's reader panics instead of refusing it.
    let whole = stream(columns(), 1);
    let found = (0..whole.len()).any(|at| {
        let mut bytes = whole.clone();
        bytes[at] = 3;
        read(&bytes, 300, true) == Err("a damaged Arrow stream".into())
    });
    assert!(found);
}

/// Damage at some places, and fewer bytes.
fn damaged(mut bytes: Vec<u8>, damage: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let length = bytes.len();
    for (at, byte) in damage {
        bytes[at % length] = *byte;
    }
    bytes.truncate(length - cut % length.min(40));
    bytes
}

proptest! {
    /// Whatever comes, it is read or refused, and the same wherever the network cuts it.
    #[test]
    fn any_damaged_listing_is_the_same_in_any_pieces(
        damage in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..6),
        cut in 0_usize..4000,
        chunk in prop_oneof![1..9_usize, 1..400_usize],
    ) {
        let bytes = damaged(stream(columns(), 2), &damage, cut);
        let whole = read(&bytes, bytes.len(), false).ok();
        let in_pieces = read(&bytes, chunk, false).ok();
        prop_assert_eq!(&in_pieces, &whole);
        // what nobody wants is never kept, and no row is made of nothing
        if let Some(files) = whole {
            prop_assert!(files.iter().all(|file| file.name != "c"));
            prop_assert!(files.len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_no_listing(bytes: Vec<u8>, chunk in 1..64_usize) {
        prop_assert!(read(&bytes, chunk, false).is_err());
    }
}
