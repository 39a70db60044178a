//! The rows of a listing, whichever of Arrow's types their columns have.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;

use super::RemoteFile;
use crate::job::{Md5, RemoteId};

/// Whether a row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Not,
    IfReadable,
    /// It must be readable.
    Whole,
}

/// The columns of one batch, found by name.
pub(super) struct Rows<'a> {
    id: &'a dyn Array,
    name: &'a dyn Array,
    size: &'a dyn Array,
    md5: &'a dyn Array,
    added_at: Option<&'a dyn Array>,
}

impl<'a> Rows<'a> {
    pub fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .map(AsRef::as_ref)
                .ok_or_else(|| format!("a listing without the column {name}"))
        };
        Ok(Self {
            id: column("file_id")?,
            name: column("file_name")?,
            size: column("size")?,
            md5: column("md5_hash")?,
            added_at: column("added_at").ok(),
        })
    }

    pub fn collect(
        &self,
        want: &mut impl FnMut(&str) -> Want,
        files: &mut Vec<RemoteFile>,
    ) -> Result<(), String> {
        for row in 0..self.name.len() {
            let name = text(self.name, row).ok_or("a listing whose file_name is no text")?;
            match want(&name) {
                Want::Not => {}
                Want::IfReadable => files.extend(self.file(name, row).ok()),
                Want::Whole => files.push(self.file(name, row)?),
            }
        }
        Ok(())
    }

    fn file(&self, name: String, row: usize) -> Result<RemoteFile, String> {
        let unreadable = |column: &str| format!("a listing whose {column} cannot be read");
        Ok(RemoteFile {
            id: text(self.id, row)
                .map(RemoteId::new)
                .ok_or_else(|| unreadable("file_id"))?,
            name,
            size: number(self.size, row).ok_or_else(|| unreadable("size"))?,
            md5: md5(self.md5, row).ok_or_else(|| unreadable("md5_hash"))?,
            added_at: self.added_at.and_then(|column| moment(column, row)),
        })
    }
}

fn text(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Some(column.as_string_view().value(row).to_owned()),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary_opt()?;
            let key = number(dictionary.keys(), row)?;
            text(dictionary.values().as_ref(), usize::try_from(key).ok()?)
        }
        _ => None,
    }
}

fn number(column: &dyn Array, row: usize) -> Option<u64> {
    if column.is_null(row) {
        return None;
    }
    let signed = match column.data_type() {
        DataType::Int8 => i64::from(column.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => i64::from(column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => i64::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::UInt8 => i64::from(column.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => i64::from(column.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => i64::from(column.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => return Some(column.as_primitive::<UInt64Type>().value(row)),
        _ => return text(column, row)?.trim().parse().ok(),
    };
    u64::try_from(signed).ok()
}

fn md5(column: &dyn Array, row: usize) -> Option<Md5> {
    let raw = match column.data_type() {
        _ if column.is_null(row) => return None,
        DataType::Binary => column.as_binary::<i32>().value(row),
        DataType::LargeBinary => column.as_binary::<i64>().value(row),
        DataType::FixedSizeBinary(_) => column.as_fixed_size_binary().value(row),
        _ => {
            let text = text(column, row)?;
            return Md5::parse(text.trim()).ok();
        }
    };
    raw.try_into()
        .map(Md5)
        .ok()
        .or_else(|| Md5::parse(std::str::from_utf8(raw).ok()?).ok())
}

fn moment(column: &dyn Array, row: usize) -> Option<Timestamp> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            Timestamp::from_second(column.as_primitive::<TimestampSecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let value = column.as_primitive::<TimestampMillisecondType>().value(row);
            Timestamp::from_millisecond(value)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let value = column.as_primitive::<TimestampMicrosecondType>().value(row);
            Timestamp::from_microsecond(value)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let value = column.as_primitive::<TimestampNanosecondType>().value(row);
            Timestamp::from_nanosecond(value.into())
        }
        _ => return text(column, row)?.trim().parse().ok(),
    }
    .ok()
}
