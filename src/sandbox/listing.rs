//! A table's listing as an Arrow IPC stream, with the columns that the official client reads.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};

use super::books::RawFile;

/// Rows of one record batch: a reader holds one batch at a time.
const BATCH_ROWS: usize = 10_000;

/// `file_id, file_name, size, md5_hash, added_at`, in the order of registration.
///
/// The caller may give the name's column another name (`fileNameVariable`).
pub(super) fn arrow(
    files: &[Arc<RawFile>],
    name_column: Option<&str>,
) -> Result<Vec<u8>, ArrowError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("file_id", DataType::Utf8, false),
        Field::new(name_column.unwrap_or("file_name"), DataType::Utf8, false),
        Field::new("size", DataType::Int64, false),
        Field::new("md5_hash", DataType::Utf8, false),
        Field::new(
            "added_at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
    ]));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for files in files.chunks(BATCH_ROWS) {
        let text = |of: fn(&RawFile) -> String| -> StringArray {
            files.iter().map(|file| Some(of(file))).collect()
        };
        let sizes = files
            .iter()
            .map(|file| i64::try_from(file.size).unwrap_or(i64::MAX));
        let added = files.iter().map(|file| file.added_us);
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(text(|file| file.id.clone())),
                Arc::new(text(|file| file.name.clone())),
                Arc::new(Int64Array::from_iter_values(sizes)),
                Arc::new(text(|file| file.stored.sums.md5_base64())),
                Arc::new(TimestampMicrosecondArray::from_iter_values(added).with_timezone("UTC")),
            ],
        )?;
        writer.write(&batch)?;
    }
    writer.finish()?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::blobs::RunningSums;
    use crate::sandbox::books::Stored;
    use arrow_array::Array as _;
    use arrow_ipc::reader::StreamReader;

    #[test]
    fn what_is_written_reads_back_also_over_several_batches() {
        let files: Vec<_> = (0..=BATCH_ROWS as u64)
            .map(|n| {
                Arc::new(RawFile {
                    id: format!("id{n}"),
                    name: format!("run/{n}.fastq"),
                    size: n,
                    stored: Stored {
                        blob: String::new(),
                        sums: RunningSums::default().finish(),
                    },
                    added_us: 1_000_000,
                })
            })
            .collect();
        let stream = arrow(&files, None).unwrap();
        let batches: Vec<_> = StreamReader::try_new(&stream[..], None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            batches
                .iter()
                .map(RecordBatch::num_rows)
                .collect::<Vec<_>>(),
            [BATCH_ROWS, 1]
        );
        let names = batches[1].column_by_name("file_name").unwrap();
        let names = names.as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(names.value(0), format!("run/{BATCH_ROWS}.fastq"));
        assert!(!names.is_null(0));
    }

    #[test]
    fn an_empty_table_is_a_stream_without_rows() {
        let stream = arrow(&[], Some("path")).unwrap();
        let reader = StreamReader::try_new(&stream[..], None).unwrap();
        assert!(reader.schema().column_with_name("path").is_some());
        assert_eq!(reader.count(), 0);
    }
}
