//! Parquet files read column by column, one row group at a time: memory holds one column of one group.
//!
//! What a file claims about itself is checked before polars acts on it ([`footer`], [`pages`]), and a panic of polars is an error of the file.
//!
//! Uses `polars-parquet` directly. The reader of `polars-io` returns a `DataFrame`, which would add `polars-core` to every build of wsim.
//! Knows nothing of the meaning of columns.

use std::io::{Cursor, Read, Seek, SeekFrom};

use polars_arrow::array::{Array, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::ArrowSchema;
use polars_arrow::types::NativeType;
use polars_buffer::Buffer;
use polars_error::{PolarsError, PolarsResult, polars_err};
use polars_parquet::read::{BasicDecompressor, FileMetadata, PageReader, column_iter_to_arrays, infer_schema, read_metadata};

use super::caught::caught;
use super::{footer, pages};

/// An open Parquet file.
pub struct TableReader<R> {
    input: R,
    bytes: u64,
    metadata: FileMetadata,
    schema: ArrowSchema,
}

/// One column of one row group.
pub struct ColumnArray {
    name: String,
    array: Box<dyn Array>,
}

impl<R: Read + Seek> TableReader<R> {
    /// Reads the file's footer: its columns and row groups.
    ///
    /// # Errors
    /// [`PolarsError`] if `input` is not a Parquet file, or cannot be read.
    pub fn new(mut input: R) -> PolarsResult<Self> {
        footer::check(&mut input)?;
        let bytes = input.seek(SeekFrom::End(0))?;
        let (metadata, schema) = caught(|| {
            let metadata = read_metadata(&mut input)?;
            let schema = infer_schema(&metadata)?;
            Ok((metadata, schema))
        })?;
        let table = Self { input, bytes, metadata, schema };
        table.check_rows()?;
        Ok(table)
    }

    /// Rows are read group by group, so the rows that a group claims to have are memory, and all of them are time.
    fn check_rows(&self) -> PolarsResult<()> {
        let mut sum = 0_u64;
        for group in 0..self.groups() {
            let rows = self.rows(group);
            sum = sum.saturating_add(rows as u64);
            if rows > GROUP_ROWS_MAX {
                return Err(polars_err!(ComputeError:
                    "its row group {group} claims to have {rows} rows, and at most {GROUP_ROWS_MAX} are read: write it in smaller groups"
                ));
            }
        }
        if sum > self.bytes.saturating_add(GROUP_ROWS_MAX as u64) {
            return Err(polars_err!(ComputeError: "it claims to have {sum} rows in {} bytes, so the file is damaged", self.bytes));
        }
        Ok(())
    }

    /// The text under a key of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.key_value_metadata().iter().flatten().find(|entry| entry.key == key).and_then(|entry| entry.value.as_deref())
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.metadata.row_groups.len()
    }

    /// Number of rows in a group.
    pub fn rows(&self, group: usize) -> usize {
        self.metadata.row_groups.get(group).map_or(0, |group| group.num_rows())
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.schema.get(name).is_some()
    }

    /// Reads one column of one row group.
    ///
    /// # Errors
    /// [`PolarsError`] if the file has no such column or group, is damaged, or cannot be read.
    pub fn column(&mut self, group: usize, name: &str) -> PolarsResult<ColumnArray> {
        let missing = || PolarsError::ColumnNotFound(name.to_owned().into());
        let field = self.schema.get(name).ok_or_else(missing)?.clone();
        let chunk =
            self.metadata.row_groups.get(group).and_then(|group| group.columns_under_root_iter(name)?.next()).ok_or_else(missing)?;
        let range = chunk.byte_range();
        if range.start > range.end || range.end > self.bytes {
            return Err(polars_err!(ComputeError: "column {} lies outside the file", name));
        }
        let rows = self.rows(group);
        if i64::try_from(rows) != Ok(chunk.num_values()) || field.dtype().is_nested() {
            return Err(polars_err!(SchemaMismatch: "column {} is not a plain column of {rows} rows", name));
        }
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        self.input.seek(SeekFrom::Start(range.start))?;
        self.input.read_exact(&mut bytes)?;
        pages::check(&bytes, rows)?;
        let page_bytes_max = usize::try_from(pages::bytes_max(bytes.len())).unwrap_or(usize::MAX);
        let array = caught(|| {
            let pages = PageReader::new(Cursor::new(Buffer::from(bytes)), chunk, vec![], page_bytes_max);
            let types = vec![&chunk.descriptor().descriptor.primitive_type];
            let (mut arrays, _) = column_iter_to_arrays(vec![BasicDecompressor::new(pages, vec![])], types, field, None)?;
            match (arrays.pop(), arrays.len()) {
                (Some(array), 0) if array.len() == rows => Ok(array),
                _ => Err(polars_err!(ComputeError: "column {} is not in one piece", name)),
            }
        })?;
        Ok(ColumnArray { name: name.to_owned(), array })
    }
}

impl ColumnArray {
    /// The numbers of a column of this type; `None` for null.
    ///
    /// # Errors
    /// [`PolarsError`] if the column has another type.
    pub fn numbers<T: NativeType>(&self) -> PolarsResult<impl Iterator<Item = Option<T>>> {
        let array = self.array.as_any().downcast_ref::<PrimitiveArray<T>>().ok_or_else(|| self.other_type())?;
        Ok(array.iter().map(|value| value.copied()))
    }

    /// The texts of a column; `None` for null.
    ///
    /// # Errors
    /// [`PolarsError`] if the column holds no text.
    pub fn texts(&self) -> PolarsResult<impl Iterator<Item = Option<&str>>> {
        let array = self.array.as_any().downcast_ref::<Utf8ViewArray>().ok_or_else(|| self.other_type())?;
        Ok(array.iter())
    }

    /// The truth values of a column; `None` for null.
    ///
    /// # Errors
    /// [`PolarsError`] if the column has another type.
    pub fn bools(&self) -> PolarsResult<impl Iterator<Item = Option<bool>>> {
        let array = self.array.as_any().downcast_ref::<polars_arrow::array::BooleanArray>().ok_or_else(|| self.other_type())?;
        Ok(array.iter())
    }

    fn other_type(&self) -> PolarsError {
        polars_err!(SchemaMismatch: "column {} has type {:?}", self.name, self.array.dtype())
    }
}

/// What other programs write by default: a group of a million rows.
const GROUP_ROWS_MAX: usize = 1 << 20;
