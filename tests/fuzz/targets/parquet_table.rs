//! Fuzz target: Parquet tables, column by column.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::parquet::table_reader::TableReader;
use wsim_fuzz::replay::record::REQUEST_COLUMNS;

fuzz_target!(|data: &[u8]| {
    let Ok(mut table) = TableReader::new(Cursor::new(data)) else { return };
    for group in 0..table.groups().min(4) {
        for (name, _) in REQUEST_COLUMNS {
            let Ok(column) = table.column(group, name) else { continue };
            let _ = column.numbers::<u64>().map(Iterator::count);
            let _ = column.texts().map(Iterator::count);
            let _ = column.bools().map(Iterator::count);
        }
    }
});
