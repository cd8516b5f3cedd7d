//! Parquet files of plain columns, written group by group while the rows come in: memory holds one group.
//!
//! Knows nothing of what the columns mean. Readable by any Parquet tool; texts are dictionary pages.

use std::io::Write;
use std::sync::Arc;

use polars::error::PolarsError;
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, ArrowSchemaRef, Field, IntegerType};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, KeyValue, RowGroupIterator, StatisticsOptions, Version, WriteOptions, ZstdLevel,
};

use super::{Dictionary, validity};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned 64-bit; never null.
    Number,
    /// Unsigned 64-bit; 0 stands for null.
    NumberOrNull,
    /// True or false.
    Truth,
    /// Text by number; 0 stands for null.
    Text,
}

/// The values of one column in one group.
#[derive(Debug, Clone)]
pub enum Values<'t> {
    /// Of [`Kind::Number`] and [`Kind::NumberOrNull`].
    Numbers(Vec<u64>),
    /// Of [`Kind::Truth`].
    Truths(Vec<bool>),
    /// Of [`Kind::Text`]: 0 is null, 1 the first of the texts.
    Texts(Vec<u32>, Vec<&'t str>),
}

/// Why a sheet could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SheetError(#[from] PolarsError);

/// A file being written. Without [`Sheet::finish`] it has no end and cannot be read.
pub struct Sheet<W: Write> {
    writer: FileWriter<W>,
    columns: Vec<(&'static str, Kind)>,
    schema: ArrowSchemaRef,
    options: WriteOptions,
    dictionary: Dictionary,
}

impl<W: Write> Sheet<W> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// [`SheetError`] if `out` cannot be written.
    pub fn new(out: W, columns: &[(&'static str, Kind)]) -> Result<Self, SheetError> {
        let field = |&(name, kind): &(&'static str, Kind)| {
            let null = matches!(kind, Kind::NumberOrNull | Kind::Text);
            (name.into(), Field::new(name.into(), data_type(kind), null))
        };
        let schema: ArrowSchema = columns.iter().map(field).collect();
        let compression = CompressionOptions::Zstd(Some(ZstdLevel::try_new(1)?));
        let options = WriteOptions { statistics: StatisticsOptions::empty(), version: Version::V1, compression, data_page_size: None };
        let writer = FileWriter::try_new(out, schema.clone(), options)?;
        Ok(Self { writer, columns: columns.to_vec(), schema: Arc::new(schema), options, dictionary: Dictionary::default() })
    }

    /// Writes a group of rows: the columns in order, all of one length.
    ///
    /// # Errors
    /// [`SheetError`] if the columns are not those of the file, or it cannot be written.
    pub fn write(&mut self, values: Vec<Values<'_>>) -> Result<(), SheetError> {
        let rows = values.first().map_or(0, Values::len);
        let arrays = self.columns.iter().zip(values).map(|(&(_, kind), values)| array(kind, values, &mut self.dictionary)).collect();
        let batch = RecordBatchT::try_new(rows, Arc::clone(&self.schema), arrays);
        let encoding = |kind| if kind == Kind::Text { Encoding::RleDictionary } else { Encoding::Plain };
        let encodings = self.columns.iter().map(|&(_, kind)| vec![encoding(kind)]).collect();
        for group in RowGroupIterator::try_new(std::iter::once(batch), &self.schema, self.options, encodings)? {
            self.writer.write(u64::MAX, group?)?;
        }
        Ok(())
    }

    /// Writes the end of the file, with `schema` under the key `wsim` of its metadata.
    ///
    /// # Errors
    /// [`SheetError`] if it cannot be written.
    pub fn finish(mut self, schema: &str) -> Result<W, SheetError> {
        let about = serde_json::json!({ "schema": schema }).to_string();
        // With metadata of one's own none of Arrow's is written: readers without categories then see texts.
        self.writer.end(Some(vec![KeyValue { key: "wsim".to_owned(), value: Some(about) }]))?;
        let mut out = self.writer.into_inner();
        out.flush().map_err(PolarsError::from)?;
        Ok(out)
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Truths(values) => values.len(),
            Self::Texts(values, _) => values.len(),
        }
    }
}

fn data_type(kind: Kind) -> ArrowDataType {
    match kind {
        Kind::Number | Kind::NumberOrNull => ArrowDataType::UInt64,
        Kind::Truth => ArrowDataType::Boolean,
        Kind::Text => ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false),
    }
}

fn array(kind: Kind, values: Values<'_>, dictionary: &mut Dictionary) -> Box<dyn Array> {
    match values {
        Values::Numbers(values) => {
            let known = if kind == Kind::NumberOrNull { validity(&values, |&value| value != 0) } else { None };
            Box::new(PrimitiveArray::from_vec(values).with_validity(known))
        }
        Values::Truths(values) => Box::new(BooleanArray::from_slice(values)),
        Values::Texts(numbers, texts) => {
            dictionary.array(numbers, |n| texts.get((n as usize).wrapping_sub(1)).copied().unwrap_or_default())
        }
    }
}
