//! Parquet files of plain columns, written group by group as the rows arrive: memory holds one group.
//!
//! Every write leaves a complete file behind: the group and, after it, the file's end, which the next write replaces. So a file can be read
//! while it grows and after its writer was killed. Knows nothing of the meaning of columns. Texts are dictionary pages.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, ArrowSchemaRef, Field, IntegerType};
use polars_arrow::record_batch::RecordBatchT;
use polars_error::PolarsError;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, KeyValue, RowGroupIterator, StatisticsOptions, ThriftFileMetadata, Version, WriteOptions,
    ZstdLevel, write_metadata_sidecar,
};

use wsim_trace::table::{ColumnKind, ColumnValues, TableError, TableWriter};

use super::{Dictionary, validity};

/// Where a table is written.
pub trait TableOutput: Send {
    /// Writes bytes at an offset, at or before the end. The file ends with them.
    ///
    /// # Errors
    /// That of the file.
    fn write_tail(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

impl TableOutput for File {
    fn write_tail(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let before = self.seek(SeekFrom::End(0))?;
        self.seek(SeekFrom::Start(offset))?;
        // In one call, so that a process that is killed leaves the file as it was before or after, but for a chance of microseconds.
        self.write_all(bytes)?;
        if before > end { self.set_len(end) } else { Ok(()) }
    }
}

/// A file being written.
pub struct TableFile<O> {
    output: O,
    columns: Vec<(&'static str, ColumnKind)>,
    schema: ArrowSchemaRef,
    options: WriteOptions,
    dictionary: Dictionary,
    /// Of the groups that are written for good.
    metadata: ThriftFileMetadata,
    /// Where the next group begins.
    end: u64,
}

impl<O: TableOutput> TableFile<O> {
    /// Starts a file with these columns.
    ///
    /// # Errors
    /// [`TableError`] if `output` cannot be written.
    pub fn new(output: O, columns: &[(&'static str, ColumnKind)]) -> Result<Self, TableError> {
        Self::create(output, columns).map_err(error)
    }

    fn create(mut output: O, columns: &[(&'static str, ColumnKind)]) -> Result<Self, PolarsError> {
        let field = |&(name, kind): &(&'static str, ColumnKind)| {
            let null = matches!(kind, ColumnKind::NumberOrNull | ColumnKind::Text);
            (name.into(), Field::new(name.into(), data_type(kind), null))
        };
        let schema: ArrowSchema = columns.iter().map(field).collect();
        let compression = CompressionOptions::Zstd(Some(ZstdLevel::try_new(1)?));
        let options = WriteOptions { statistics: StatisticsOptions::empty(), version: Version::V1, compression, data_page_size: None };
        let mut writer = FileWriter::try_new(Vec::new(), schema.clone(), options)?;
        writer.end(Some(Vec::new()))?;
        let (empty, metadata) = writer.into_inner_and_metadata();
        output.write_tail(0, &empty)?;
        let end = MAGIC.len() as u64;
        Ok(Self { output, columns: columns.to_vec(), schema: Arc::new(schema), options, dictionary: Dictionary::default(), metadata, end })
    }

    /// Writes a group and the end of the file. Returns the metadata with the group, and where the group ends.
    fn write_group(&mut self, values: Vec<ColumnValues<'_>>, schema: Option<&str>) -> Result<(ThriftFileMetadata, u64), PolarsError> {
        let (mut bytes, group) = self.encode(values)?;
        let mut metadata = self.metadata.clone();
        if let Some(mut group) = group.row_groups.into_iter().next() {
            group.ordinal = i16::try_from(metadata.row_groups.len()).ok();
            metadata.num_rows += group.num_rows;
            metadata.row_groups.push(group);
        }
        let end = self.end + bytes.len() as u64;
        append_end(&mut bytes, &mut metadata, schema)?;
        self.output.write_tail(self.end, &bytes)?;
        Ok((metadata, end))
    }

    /// The bytes of a group, and the metadata of a file that has only this group, with the offsets that it has in this file.
    fn encode(&mut self, values: Vec<ColumnValues<'_>>) -> Result<(Vec<u8>, ThriftFileMetadata), PolarsError> {
        let rows = values.first().map_or(0, ColumnValues::len);
        let arrays = self.columns.iter().zip(values).map(|(&(_, kind), values)| array(kind, values, &mut self.dictionary)).collect();
        let batch = RecordBatchT::try_new(rows, Arc::clone(&self.schema), arrays);
        let encoding = |kind| if kind == ColumnKind::Text { Encoding::RleDictionary } else { Encoding::Plain };
        let encodings = self.columns.iter().map(|&(_, kind)| vec![encoding(kind)]).collect();
        let mut writer = FileWriter::try_new(Vec::new(), (*self.schema).clone(), self.options)?;
        for group in RowGroupIterator::try_new(std::iter::once(batch), &self.schema, self.options, encodings)? {
            writer.write(u64::MAX, group?)?;
        }
        writer.end(Some(Vec::new()))?;
        let (mut bytes, mut metadata) = writer.into_inner_and_metadata();
        // The pages follow the magic word; their offset indices, which nothing needs, follow them.
        let ends = metadata.row_groups.iter().flat_map(|group| &group.columns).filter_map(|column| column.offset_index_offset);
        let end = ends.min().and_then(|end| usize::try_from(end).ok()).unwrap_or(bytes.len());
        bytes.truncate(end);
        bytes.drain(..MAGIC.len().min(end));
        let moved = i64::try_from(self.end).unwrap_or(i64::MAX) - MAGIC.len() as i64;
        let move_by = |offset: &mut i64| *offset += moved;
        for group in &mut metadata.row_groups {
            group.file_offset.iter_mut().for_each(move_by);
            for column in &mut group.columns {
                move_by(&mut column.file_offset);
                (column.offset_index_offset, column.offset_index_length) = (None, None);
                let Some(about) = &mut column.meta_data else { continue };
                move_by(&mut about.data_page_offset);
                about.index_page_offset.iter_mut().chain(&mut about.dictionary_page_offset).for_each(move_by);
            }
        }
        Ok((bytes, metadata))
    }

    fn write_end(mut self, schema: &str) -> Result<(), PolarsError> {
        let mut bytes = Vec::new();
        append_end(&mut bytes, &mut self.metadata, Some(schema))?;
        Ok(self.output.write_tail(self.end, &bytes)?)
    }
}

impl<O: TableOutput> TableWriter for TableFile<O> {
    fn write(&mut self, values: Vec<ColumnValues<'_>>) -> Result<(), TableError> {
        (self.metadata, self.end) = self.write_group(values, None).map_err(error)?;
        Ok(())
    }

    fn checkpoint(&mut self, values: Vec<ColumnValues<'_>>, schema: &str) -> Result<(), TableError> {
        self.write_group(values, Some(schema)).map_err(error)?;
        Ok(())
    }

    fn finish(self: Box<Self>, schema: &str) -> Result<(), TableError> {
        self.write_end(schema).map_err(error)
    }
}

/// Appends the end of a file: its metadata, its length and the magic word.
fn append_end(bytes: &mut Vec<u8>, metadata: &mut ThriftFileMetadata, schema: Option<&str>) -> Result<(), PolarsError> {
    // With custom metadata Arrow's is not written, so that readers without categories see texts.
    let about = schema.map(|schema| serde_json::json!({ "schema": schema }).to_string());
    metadata.key_value_metadata = Some(vec![KeyValue { key: "wsim".to_owned(), value: about }]);
    // A file without groups: its beginning is the magic word, too.
    let mut file = Vec::new();
    write_metadata_sidecar(&mut file, metadata)?;
    bytes.extend_from_slice(&file[MAGIC.len()..]);
    Ok(())
}

fn error(source: PolarsError) -> TableError {
    TableError(Box::new(source))
}

/// The first and the last bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

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
