//! Appends the rows of one table file to another, group by group: memory holds one group.
//!
//! Knows nothing of the meaning of columns. A column that the file does not have, because an older version wrote it, is null, 0 or false.

use std::collections::HashMap;
use std::io::{Read, Seek};

use polars_error::PolarsResult;

use wsim_trace::table::{ColumnKind, ColumnValues, TableError, TableWriter};

use super::table_reader::{ColumnArray, TableReader};

/// Appends all rows of `from` to `to`, whose columns are `columns`, and adds `shift` to every value that is not null in the columns named by
/// `shifted`.
///
/// # Errors
/// [`TableError`] if `from` is damaged or has other types, or if `to` cannot be written.
pub fn append<R: Read + Seek>(
    from: &mut TableReader<R>,
    to: &mut dyn TableWriter,
    columns: &[(&'static str, ColumnKind)],
    (shifted, shift): (&[&str], u64),
) -> Result<(), TableError> {
    let error = |source| TableError(Box::new(source));
    for group in 0..from.groups() {
        let rows = from.rows(group);
        let mut arrays: Vec<Option<ColumnArray>> = Vec::with_capacity(columns.len());
        for (name, _) in columns {
            arrays.push(if from.has(name) { Some(from.column(group, name).map_err(error)?) } else { None });
        }
        let shift_of = |name: &str| if shifted.contains(&name) { shift } else { 0 };
        let values = columns.iter().zip(&arrays).map(|((name, kind), array)| match array {
            Some(array) => values(array, *kind, shift_of(name)),
            None => Ok(nothing(*kind, rows)),
        });
        to.write(values.collect::<PolarsResult<Vec<_>>>().map_err(error)?)?;
    }
    Ok(())
}

fn values(array: &ColumnArray, kind: ColumnKind, shift: u64) -> PolarsResult<ColumnValues<'_>> {
    Ok(match kind {
        ColumnKind::Number => {
            ColumnValues::Numbers(array.numbers::<u64>()?.map(|value| value.unwrap_or(0).saturating_add(shift)).collect())
        }
        ColumnKind::NumberOrNull => {
            ColumnValues::Numbers(array.numbers::<u64>()?.map(|value| value.map_or(0, |value| value.saturating_add(shift))).collect())
        }
        ColumnKind::Bool => ColumnValues::Bools(array.bools()?.map(|value| value.unwrap_or(false)).collect()),
        ColumnKind::Text => {
            let (mut texts, mut known): (Vec<&str>, HashMap<&str, u32>) = (Vec::new(), HashMap::new());
            let indices = array.texts()?.map(|text| {
                let Some(text) = text else { return 0 };
                *known.entry(text).or_insert_with(|| {
                    texts.push(text);
                    u32::try_from(texts.len()).unwrap_or(0)
                })
            });
            let indices = indices.collect();
            ColumnValues::Texts(indices, texts)
        }
    })
}

fn nothing(kind: ColumnKind, rows: usize) -> ColumnValues<'static> {
    match kind {
        ColumnKind::Number | ColumnKind::NumberOrNull => ColumnValues::Numbers(vec![0; rows]),
        ColumnKind::Bool => ColumnValues::Bools(vec![false; rows]),
        ColumnKind::Text => ColumnValues::Texts(vec![0; rows], Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use super::super::table_file::{TableFile, TableOutput};
    use super::*;

    const COLUMNS: [(&str, ColumnKind); 4] =
        [("at", ColumnKind::Number), ("sent", ColumnKind::NumberOrNull), ("group", ColumnKind::Text), ("poll", ColumnKind::Bool)];

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl TableOutput for Shared {
        fn write_tail(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
            let mut all = self.0.lock().unwrap();
            all.truncate(usize::try_from(offset).unwrap());
            all.extend(bytes);
            Ok(())
        }
    }

    fn file(columns: &[(&'static str, ColumnKind)], groups: Vec<Vec<ColumnValues<'_>>>) -> Vec<u8> {
        let out = Shared::default();
        let mut table = Box::new(TableFile::new(out.clone(), columns).unwrap());
        for group in groups {
            table.write(group).unwrap();
        }
        table.finish("test/1").unwrap();
        std::mem::take(&mut *out.0.lock().unwrap())
    }

    #[test]
    fn rows_of_two_files_follow_each_other_and_instants_are_shifted() {
        let group = |at: u64, name: &'static str| {
            vec![
                ColumnValues::Numbers(vec![at, at + 1]),
                ColumnValues::Numbers(vec![0, 7]),
                ColumnValues::Texts(vec![1, 0], vec![name]),
                ColumnValues::Bools(vec![true, false]),
            ]
        };
        let first = file(&COLUMNS, vec![group(10, "sync"), group(20, "media")]);
        // An older version had no column `poll`.
        let second = file(&COLUMNS[..3], vec![group(30, "sync")[..3].to_vec()]);
        let out = Shared::default();
        let mut merged: Box<dyn TableWriter> = Box::new(TableFile::new(out.clone(), &COLUMNS).unwrap());
        for (bytes, shift) in [(first, 0), (second, 100)] {
            let mut from = TableReader::new(Cursor::new(bytes)).unwrap();
            append(&mut from, &mut *merged, &COLUMNS, (&["at", "sent"], shift)).unwrap();
        }
        merged.finish("test/1").unwrap();
        let mut read = TableReader::new(Cursor::new(out.0.lock().unwrap().clone())).unwrap();
        let mut rows = Vec::new();
        for group in 0..read.groups() {
            let at: Vec<_> = read.column(group, "at").unwrap().numbers::<u64>().unwrap().collect();
            let sent: Vec<_> = read.column(group, "sent").unwrap().numbers::<u64>().unwrap().collect();
            let names: Vec<_> = read.column(group, "group").unwrap().texts().unwrap().map(|text| text.map(str::to_owned)).collect();
            let polls: Vec<_> = read.column(group, "poll").unwrap().bools().unwrap().collect();
            for index in 0..at.len() {
                rows.push((at[index].unwrap(), sent[index], names[index].clone(), polls[index].unwrap()));
            }
        }
        let name = |text: &str| Some(text.to_owned());
        let expected = [
            (10, None, name("sync"), true),
            (11, Some(7), None, false),
            (20, None, name("media"), true),
            (21, Some(7), None, false),
            (130, None, name("sync"), false),
            (131, Some(107), None, false),
        ];
        assert_eq!(rows, expected);
    }
}
