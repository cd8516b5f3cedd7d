//! Trace files: Parquet with zstd, one row per request, in arrival order.
//!
//! Written row group by row group, so that memory does not grow with the trace. Names are dictionary pages, which any Parquet reader
//! (polars, DuckDB, pandas) shows as text. Everything else that a reader needs is JSON under the key `wsim` of the file's metadata
//! ([`Header`]).

#[cfg(test)]
#[path = "../trace/any_request.rs"]
mod any_request;
mod caught;
mod columns;
mod footer;
mod footer_types;
mod pages;
pub mod table_append;
pub mod table_file;
pub mod table_reader;
mod thrift;

use std::collections::HashMap;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType};
use polars_arrow::record_batch::RecordBatchT;
use polars_error::PolarsError;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, KeyValue, RowGroupIterator, StatisticsOptions, Version, WriteOptions, ZstdLevel,
};
use serde::{Deserialize, Serialize};

use columns::{COLUMNS, Column, Kind, LATER};
use table_reader::TableReader;
use wsim_endpoints::{Endpoint, Method};
use wsim_trace::Names;
use wsim_trace::Trace;
use wsim_trace::{NameId, Request};

/// Rows in a row group, a multiple of [`BLOCK_ROWS`].
const GROUP_ROWS: usize = 131_072;
/// Rows that are split into columns at once, which fit the second-level cache.
const BLOCK_ROWS: usize = 2048;

/// The content of a trace file besides its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// `wsim.trace/1`.
    pub schema: String,
    /// The endpoints by the index in column `endpoint`.
    pub endpoints: Vec<Endpoint>,
    /// Facts of the run that made it (inputs, seed, zone, release), in a form that only the writer knows.
    pub extra: serde_json::Value,
}

impl Header {
    /// This version's schema name.
    pub const SCHEMA: &'static str = "wsim.trace/1";
}

/// A trace file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("{path}")]
    Io { path: String, source: std::io::Error },
    #[error("could not write {path}")]
    Write { path: String, source: PolarsError },
    #[error("{path}: not a readable Parquet file; make a trace with `wsim analyse`")]
    Parquet { path: String, source: PolarsError },
    /// A Parquet file that is not a trace.
    #[error("{path}: not a wsim trace: {reason}; make one with `wsim analyse`")]
    NotATrace { path: String, reason: String },
}

/// Whether a regular file starts like Parquet. Other files are not looked at: what is read from a pipe is gone, and opening one waits
/// for a writer.
pub fn is_parquet(path: &Path) -> bool {
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut start = [0u8; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"PAR1"
}

/// Writes a sealed trace.
pub fn write(trace: &Trace, header: &Header, path: &Path) -> Result<(), TraceError> {
    let io = |source| TraceError::Io { path: path.display().to_string(), source };
    let file = std::io::BufWriter::with_capacity(1 << 20, wsim_folder::create_private(path).map_err(io)?);
    write_to(trace, header, file).map_err(|source| TraceError::Write { path: path.display().to_string(), source })
}

fn write_to<W: Write>(trace: &Trace, header: &Header, mut out: W) -> Result<(), PolarsError> {
    let schema = schema();
    let statistics = StatisticsOptions::empty();
    let zstd = ZstdLevel::try_new(1)?;
    let options =
        WriteOptions { statistics, version: Version::V1, compression: CompressionOptions::Zstd(Some(zstd)), data_page_size: None };
    let groups: Vec<&str> = header.endpoints.iter().map(|endpoint| endpoint.group.as_str()).collect();
    let mut writer = FileWriter::try_new(&mut out, schema.clone(), options)?;
    let shared = Arc::new(schema.clone());
    let mut requests = trace.requests();
    let mut dictionary = Dictionary::default();
    let mut columns = Columns::new();
    let batches = std::iter::from_fn(|| {
        let rows = columns.fill(&mut requests);
        (rows > 0).then(|| RecordBatchT::try_new(rows, Arc::clone(&shared), columns.arrays(&trace.names, &groups, &mut dictionary)))
    });
    // The default tries a dictionary for every number; zstd compresses as well in a fraction of the time.
    let encodings = COLUMNS.iter().map(|column| vec![if is_text(column) { Encoding::RleDictionary } else { Encoding::Plain }]).collect();
    for group in RowGroupIterator::try_new(batches, &schema, options, encodings)? {
        writer.write(u64::MAX, group?)?;
    }
    let json = serde_json::to_string(header).unwrap_or_default();
    writer.end(Some(vec![KeyValue { key: "wsim".to_owned(), value: Some(json) }]))?;
    drop(writer);
    out.flush().map_err(PolarsError::from)
}

fn schema() -> ArrowSchema {
    COLUMNS.iter().map(|column| (column.name.into(), Field::new(column.name.into(), data_type(column), may_be_null(column)))).collect()
}

fn is_text(column: &Column) -> bool {
    matches!(column.kind, Kind::Name { .. } | Kind::Method | Kind::Group)
}

fn may_be_null(column: &Column) -> bool {
    match column.kind {
        Kind::Arrival | Kind::Send | Kind::Method | Kind::Group => false,
        Kind::Number { known, .. } => known != 0,
        Kind::Name { .. } | Kind::RequestId => true,
    }
}

fn data_type(column: &Column) -> ArrowDataType {
    match column.kind {
        Kind::Arrival => ArrowDataType::Int64,
        Kind::Send => ArrowDataType::Int32,
        Kind::RequestId => ArrowDataType::UInt64,
        Kind::Number { .. } => ArrowDataType::UInt32,
        Kind::Name { .. } | Kind::Method | Kind::Group => {
            ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false)
        }
    }
}

/// The values of a row group, column by column.
struct Columns {
    block: Vec<Request>,
    arrivals: Vec<i64>,
    sends: Vec<i32>,
    request_ids: Vec<u64>,
    flags: Vec<u32>,
    /// One per column of [`COLUMNS`]; empty for those above. Names, methods and groups as numbers, 0 for none.
    numbers: Vec<Vec<u32>>,
}

impl Columns {
    fn new() -> Self {
        Self {
            block: Vec::with_capacity(BLOCK_ROWS),
            arrivals: Vec::new(),
            sends: Vec::new(),
            request_ids: Vec::new(),
            flags: Vec::new(),
            numbers: vec![Vec::new(); COLUMNS.len()],
        }
    }

    /// Reads the rows of one group and returns their number. Each block of them is split into columns while it is in the cache.
    fn fill(&mut self, requests: &mut impl Iterator<Item = Request>) -> usize {
        self.flags.clear();
        while self.flags.len() < GROUP_ROWS {
            self.block.clear();
            self.block.extend(requests.take(BLOCK_ROWS));
            if self.block.is_empty() {
                break;
            }
            let block = &self.block;
            self.flags.extend(block.iter().map(|r| u32::from(r.flags)));
            for (column, numbers) in COLUMNS.iter().zip(&mut self.numbers) {
                match &column.kind {
                    Kind::Arrival => self.arrivals.extend(block.iter().map(|r| r.arrival_us)),
                    Kind::Send => self.sends.extend(block.iter().map(|r| r.send_us)),
                    Kind::RequestId => self.request_ids.extend(block.iter().map(|r| r.request_id)),
                    Kind::Number { of, .. } | Kind::Name { of, .. } => of(block, numbers),
                    Kind::Method => numbers.extend(block.iter().map(|r| r.method as u32 + 1)),
                    Kind::Group => numbers.extend(block.iter().map(|r| u32::from(r.endpoint.0) + 1)),
                }
            }
        }
        self.flags.len()
    }

    /// The group's arrays, which leaves no values.
    fn arrays(&mut self, names: &Names, groups: &[&str], dictionary: &mut Dictionary) -> Vec<Box<dyn Array>> {
        let mut arrays: Vec<Box<dyn Array>> = Vec::with_capacity(COLUMNS.len());
        for (column, numbers) in COLUMNS.iter().zip(&mut self.numbers) {
            let numbers = std::mem::take(numbers);
            arrays.push(match &column.kind {
                Kind::Arrival => Box::new(PrimitiveArray::from_vec(std::mem::take(&mut self.arrivals))),
                Kind::Send => Box::new(PrimitiveArray::from_vec(std::mem::take(&mut self.sends))),
                Kind::RequestId => {
                    let known = validity(&self.request_ids, |&id| id != 0);
                    Box::new(PrimitiveArray::from_vec(std::mem::take(&mut self.request_ids)).with_validity(known))
                }
                Kind::Number { known: 0, .. } => Box::new(PrimitiveArray::from_vec(numbers)),
                Kind::Number { known, .. } => {
                    let known = validity(&self.flags, |&flags| flags & u32::from(*known) != 0);
                    Box::new(PrimitiveArray::from_vec(numbers).with_validity(known))
                }
                Kind::Name { .. } => dictionary.array(numbers, |id| names.text(NameId(id))),
                Kind::Method => dictionary.array(numbers, |n| Method::from_number(u8::try_from(n - 1).unwrap_or(0)).name()),
                Kind::Group => dictionary.array(numbers, |n| groups.get(n as usize - 1).copied().unwrap_or_default()),
            });
        }
        arrays
    }
}

/// The bitmap of known values; `None` if all are known.
fn validity<T>(values: &[T], known: impl Fn(&T) -> bool) -> Option<Bitmap> {
    (!values.iter().all(&known)).then(|| values.iter().map(known).collect())
}

/// Turns numbers that stand for texts into dictionary columns. Its tables are reused for the next column.
#[derive(Default)]
struct Dictionary {
    /// Number -> key + 1 in the current column; 0 if it has not occurred.
    keys: Vec<u32>,
    seen: Vec<u32>,
}

impl Dictionary {
    /// A column of texts; number 0 is null.
    fn array<'t>(&mut self, mut numbers: Vec<u32>, text: impl Fn(u32) -> &'t str) -> Box<dyn Array> {
        let known = validity(&numbers, |&number| number != 0);
        let largest = numbers.iter().copied().max().unwrap_or(0) as usize;
        self.keys.resize(self.keys.len().max(largest + 1), 0);
        // Null needs a key too, which is never read.
        self.keys[0] = 1;
        for number in &mut numbers {
            let key = &mut self.keys[*number as usize];
            if *key == 0 {
                self.seen.push(*number);
                *key = u32::try_from(self.seen.len()).unwrap_or(u32::MAX);
            }
            *number = *key - 1;
        }
        let texts: Vec<&str> = if self.seen.is_empty() { vec![""] } else { self.seen.iter().map(|&number| text(number)).collect() };
        let values = Utf8ViewArray::from_slice_values(texts);
        for number in self.seen.drain(..) {
            self.keys[number as usize] = 0;
        }
        let keys = PrimitiveArray::from_vec(numbers).with_validity(known);
        #[expect(clippy::expect_used, reason = "every key was made from the length of the values above")]
        let array = DictionaryArray::try_from_keys(keys, values.boxed(), false).expect("keys are within the values");
        Box::new(array)
    }
}

/// Reads a trace written by [`write()`].
pub fn read(path: &Path) -> Result<(Trace, Header), TraceError> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| TraceError::Io { path: name.clone(), source })?;
    read_from(file, &name)
}

/// Reads a trace from memory or an open file; `name` is for messages.
pub fn read_from<R: Read + Seek>(input: R, name: &str) -> Result<(Trace, Header), TraceError> {
    let parquet = |source| TraceError::Parquet { path: name.to_owned(), source };
    let not_a_trace = |reason: &str| TraceError::NotATrace { path: name.to_owned(), reason: reason.to_owned() };
    let mut reader = TableReader::new(input).map_err(parquet)?;
    let header = header(&reader).ok_or_else(|| not_a_trace("its metadata has no entry `wsim`"))?;
    let mut trace = Trace::new();
    for group in 0..reader.groups() {
        let rows = read_group(&mut reader, group, &mut trace.names).map_err(parquet)?;
        for request in rows {
            if usize::from(request.endpoint.0) >= header.endpoints.len() {
                return Err(not_a_trace("a request has an endpoint that its metadata does not name"));
            }
            if !TIMES_US.contains(&request.arrival_us) {
                return Err(not_a_trace("a request arrived before the year 1 or after the year 9999"));
            }
            trace.push(request);
        }
    }
    trace.seal();
    Ok((trace, header))
}

fn header<R: Read + Seek>(reader: &TableReader<R>) -> Option<Header> {
    let header: Header = serde_json::from_str(reader.metadata("wsim")?).ok()?;
    (header.schema == Header::SCHEMA).then_some(header)
}

/// The rows of one row group.
fn read_group<R: Read + Seek>(reader: &mut TableReader<R>, group: usize, names: &mut Names) -> Result<Vec<Request>, PolarsError> {
    let mut rows = vec![Request::default(); reader.rows(group)];
    for column in COLUMNS.iter().filter(|column| !matches!(column.kind, Kind::Group)) {
        if LATER.contains(&column.name) && !reader.has(column.name) {
            continue;
        }
        let values = reader.column(group, column.name)?;
        match &column.kind {
            Kind::Arrival => fill(&mut rows, values.numbers()?, |r, v| r.arrival_us = v),
            Kind::Send => fill(&mut rows, values.numbers()?, |r, v| r.send_us = v),
            Kind::RequestId => fill(&mut rows, values.numbers()?, |r, v| r.request_id = v),
            Kind::Number { into, .. } => fill(&mut rows, values.numbers()?, into),
            Kind::Name { into, .. } => fill(&mut rows, values.texts()?, |r, text| into(r, names.intern(text.as_bytes()))),
            Kind::Method => {
                let methods: HashMap<&str, Method> = Method::ALL.iter().map(|&method| (method.name(), method)).collect();
                fill(&mut rows, values.texts()?, |r, text| r.method = methods.get(text).copied().unwrap_or(Method::Other));
            }
            Kind::Group => {}
        }
    }
    Ok(rows)
}

/// The years 1 to 9999, µs since the epoch. No difference of two such times overflows.
const TIMES_US: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Sets one field of every row from a column; nulls leave it as it is.
fn fill<T>(rows: &mut [Request], values: impl Iterator<Item = Option<T>>, mut into: impl FnMut(&mut Request, T)) {
    for (row, value) in rows.iter_mut().zip(values) {
        if let Some(value) = value {
            into(row, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any_request::any_request;
    use proptest::prelude::*;
    use wsim_trace::flag;

    fn endpoint() -> Endpoint {
        serde_json::from_value(serde_json::json!({
            "group": "sync", "workers": [], "stream": null, "condition": null, "any_worker": true, "pattern": null, "internal": false
        }))
        .unwrap()
    }

    fn header() -> Header {
        Header { schema: Header::SCHEMA.to_owned(), endpoints: vec![endpoint(); 3], extra: serde_json::json!({"seed": 7}) }
    }

    fn known(mut request: Request) -> Request {
        request.endpoint.0 %= 3;
        request.arrival_us = request.arrival_us.clamp(TIMES_US.start, TIMES_US.end - 1);
        // Values without their flag are not written.
        if !request.has(flag::WALL) {
            request.wall_us = 0;
        }
        if !request.has(flag::PROXY_TIME) {
            request.proxy_us = 0;
        }
        if !request.has(flag::COST) {
            (request.cpu_us, request.db_sched_us, request.db_txn_us, request.db_count, request.events) = (0, 0, 0, 0, 0);
        }
        request
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_trace_survives_its_file(rows in proptest::collection::vec(any_request(), 0..60)) {
            let mut trace = Trace::new();
            for name in ["@alice:example.org", "!room:x", "203.0.113.7", "/_matrix/…", "a", "b", "c", "d", "e"] {
                trace.names.intern(name.as_bytes());
            }
            for row in rows {
                trace.push(known(row));
            }
            trace.seal();
            let header = header();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("trace.parquet");
            write(&trace, &header, &path).unwrap();
            let (back, header_back) = read(&path).unwrap();
            prop_assert_eq!(header_back, header);
            let text = |trace: &Trace, r: Request| {
                let names = [r.user, r.room, r.peer, r.template, r.agent, r.process, r.upstream].map(|id| trace.names.text(id).to_owned());
                let none = NameId::NONE;
                (Request { user: none, room: none, peer: none, template: none, agent: none, process: none, upstream: none, ..r }, names)
            };
            let before: Vec<_> = trace.requests().map(|r| text(&trace, r)).collect();
            let after: Vec<_> = back.requests().map(|r| text(&back, r)).collect();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn another_file_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"PAR1 and then rubbish").unwrap();
        assert!(is_parquet(file.path()));
        assert!(matches!(read(file.path()), Err(TraceError::Parquet { .. })));
    }

    /// A trace file of some rows.
    fn written(rows: &[Request], header: &Header) -> Vec<u8> {
        let mut trace = Trace::new();
        for name in ["@alice:example.org", "!room:x", "203.0.113.7"] {
            trace.names.intern(name.as_bytes());
        }
        for row in rows {
            trace.push(*row);
        }
        trace.seal();
        let mut bytes = Vec::new();
        write_to(&trace, header, &mut bytes).unwrap();
        bytes
    }

    /// The error of a file with its cause; empty if the file is read.
    fn reason(bytes: &[u8]) -> String {
        let cause = |error: &TraceError| std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match read_from(std::io::Cursor::new(bytes), "trace.parquet") {
            Ok(_) => String::new(),
            Err(error) => format!("{error}: {}", cause(&error)),
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_or_another_trace() {
        let user = |n: i64| NameId(u32::try_from(n % 4).unwrap());
        let row = |n: i64| Request { arrival_us: n * 1000, user: user(n), flags: flag::WALL, ..Request::default() };
        let bytes = written(&(0..30).map(row).collect::<Vec<_>>(), &header());
        let mut refused = 0;
        // Of this many bytes every one becomes one of four others, in turn; the fuzz target tries the rest.
        for at in (0..bytes.len()).step_by(5) {
            let mut damaged = bytes.clone();
            damaged[at] = [damaged[at] ^ 1, !damaged[at], 0, 0x7f][at % 4];
            refused += usize::from(!reason(&damaged).is_empty());
        }
        assert!(refused > bytes.len() / 20, "{refused} of {} damaged files are refused", bytes.len());
        for length in (0..bytes.len()).step_by(397) {
            assert!(!reason(&bytes[..length]).is_empty(), "the first {length} bytes");
        }
    }

    #[test]
    fn a_trace_of_an_earlier_version_has_no_causes_and_is_read() {
        let row = Request { news: 3, news_stream: 1, woken_us: 5000, wall_us: 7, flags: flag::WALL, ..Request::default() };
        let mut bytes = written(&[row], &header());
        let read = |bytes: &[u8]| read_from(std::io::Cursor::new(bytes), "trace.parquet").unwrap().0.requests().next().unwrap();
        assert_eq!(read(&bytes), row);
        // The same file without columns of these names.
        for (name, other) in [(b"news".as_slice(), b"new5"), (b"woke", b"wok3")] {
            for at in 0..bytes.len() - name.len() {
                if bytes[at..].starts_with(name) {
                    bytes[at..at + name.len()].copy_from_slice(other);
                }
            }
        }
        assert_eq!(read(&bytes), Request { news: 0, news_stream: 0, woken_us: 0, ..row });
    }

    #[test]
    fn a_row_that_fits_nothing_is_an_error() {
        let endpoint = Request { endpoint: wsim_endpoints::EndpointId(3), ..Request::default() };
        assert!(reason(&written(&[endpoint], &header())).contains("an endpoint that its metadata does not name"));
        let arrival = Request { arrival_us: i64::MIN, ..Request::default() };
        assert!(reason(&written(&[arrival], &header())).contains("before the year 1"));
    }

    #[test]
    fn a_file_that_is_no_trace_says_what_to_do() {
        let other = Header { schema: "wsim.trace/9".to_owned(), ..header() };
        assert!(reason(&written(&[], &other)).contains("make one with `wsim analyse`"));
        assert!(reason(b"PAR1 and then rubbish").contains("make a trace with `wsim analyse`"));
    }
}
