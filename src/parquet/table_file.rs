//! Parquet files of plain columns, written group by group as the rows arrive: memory holds one group.
//!
//! Knows nothing of the meaning of columns. Texts are dictionary pages.

use std::io::Write;
use std::sync::Arc;

use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, ArrowSchemaRef, Field, IntegerType};
use polars_arrow::record_batch::RecordBatchT;
use polars_error::PolarsError;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, KeyValue, RowGroupIterator, StatisticsOptions, Version, WriteOptions, ZstdLevel,
};

use wsim_trace::table::{ColumnKind, ColumnValues, TableError, TableWriter};

use super::{Dictionary, validity};

/// A file being written. Without [`TableWriter::finish`] it has no footer and cannot be read.
pub struct TableFile<W: Write> {
    writer: FileWriter<W>,
    columns: Vec<(&'static str, ColumnKind)>,
    schema: ArrowSchemaRef,
    options: WriteOptions,
    dictionary: Dictionary,
}

impl<W: Write> TableFile<W> {
    /// Starts a file with these columns.
    ///
    /// # Errors
    /// [`TableError`] if `out` cannot be written.
    pub fn new(out: W, columns: &[(&'static str, ColumnKind)]) -> Result<Self, TableError> {
        Self::create(out, columns).map_err(error)
    }

    fn create(out: W, columns: &[(&'static str, ColumnKind)]) -> Result<Self, PolarsError> {
        let field = |&(name, kind): &(&'static str, ColumnKind)| {
            let null = matches!(kind, ColumnKind::NumberOrNull | ColumnKind::Text);
            (name.into(), Field::new(name.into(), data_type(kind), null))
        };
        let schema: ArrowSchema = columns.iter().map(field).collect();
        let compression = CompressionOptions::Zstd(Some(ZstdLevel::try_new(1)?));
        let options = WriteOptions { statistics: StatisticsOptions::empty(), version: Version::V1, compression, data_page_size: None };
        let writer = FileWriter::try_new(out, schema.clone(), options)?;
        Ok(Self { writer, columns: columns.to_vec(), schema: Arc::new(schema), options, dictionary: Dictionary::default() })
    }

    fn write_group(&mut self, values: Vec<ColumnValues<'_>>) -> Result<(), PolarsError> {
        let rows = values.first().map_or(0, ColumnValues::len);
        let arrays = self.columns.iter().zip(values).map(|(&(_, kind), values)| array(kind, values, &mut self.dictionary)).collect();
        let batch = RecordBatchT::try_new(rows, Arc::clone(&self.schema), arrays);
        let encoding = |kind| if kind == ColumnKind::Text { Encoding::RleDictionary } else { Encoding::Plain };
        let encodings = self.columns.iter().map(|&(_, kind)| vec![encoding(kind)]).collect();
        for group in RowGroupIterator::try_new(std::iter::once(batch), &self.schema, self.options, encodings)? {
            self.writer.write(u64::MAX, group?)?;
        }
        Ok(())
    }

    fn write_end(mut self, schema: &str) -> Result<(), PolarsError> {
        let about = serde_json::json!({ "schema": schema }).to_string();
        // With custom metadata Arrow's is not written, so that readers without categories see texts.
        self.writer.end(Some(vec![KeyValue { key: "wsim".to_owned(), value: Some(about) }]))?;
        self.writer.into_inner().flush().map_err(PolarsError::from)
    }
}

impl<W: Write + Send> TableWriter for TableFile<W> {
    fn write(&mut self, values: Vec<ColumnValues<'_>>) -> Result<(), TableError> {
        self.write_group(values).map_err(error)
    }

    fn finish(self: Box<Self>, schema: &str) -> Result<(), TableError> {
        self.write_end(schema).map_err(error)
    }
}

fn error(source: PolarsError) -> TableError {
    TableError(Box::new(source))
}

fn data_type(kind: ColumnKind) -> ArrowDataType {
    match kind {
        ColumnKind::Number | ColumnKind::NumberOrNull => ArrowDataType::UInt64,
        ColumnKind::Bool => ArrowDataType::Boolean,
        ColumnKind::Text => ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false),
    }
}

fn array(kind: ColumnKind, values: ColumnValues<'_>, dictionary: &mut Dictionary) -> Box<dyn Array> {
    match values {
        ColumnValues::Numbers(values) => {
            let known = if kind == ColumnKind::NumberOrNull { validity(&values, |&value| value != 0) } else { None };
            Box::new(PrimitiveArray::from_vec(values).with_validity(known))
        }
        ColumnValues::Bools(values) => Box::new(BooleanArray::from_slice(values)),
        ColumnValues::Texts(numbers, texts) => {
            dictionary.array(numbers, |n| texts.get((n as usize).wrapping_sub(1)).copied().unwrap_or_default())
        }
    }
}
