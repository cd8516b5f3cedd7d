//! The footer of a Parquet file, checked before polars reads it: its lists are as long as they claim, and there are not too many columns,
//! which polars walks by recursion.
//!
//! Source: `FileMetaData` in Parquet's `parquet.thrift`; its second field is the list of columns.

use std::io::{Read, Seek, SeekFrom};

use polars_error::{PolarsResult, polars_err};

use super::{footer_types, thrift};

/// Checks that every list and text of the footer lies in the footer, and that there are not too many columns.
///
/// # Errors
/// What is wrong with the file, or why it cannot be read.
pub(super) fn check<R: Read + Seek>(input: &mut R) -> PolarsResult<()> {
    let damaged = |what: &str| polars_err!(ComputeError: "{what}, so the file is damaged or incomplete");
    let end = input.seek(SeekFrom::End(0))?;
    let mut last = [0; 8];
    if end < 12 {
        return Err(damaged("it is too short"));
    }
    input.seek(SeekFrom::Start(end - 8))?;
    input.read_exact(&mut last)?;
    let [a, b, c, d, magic @ ..] = last;
    if &magic != b"PAR1" {
        return Err(damaged("it does not end with PAR1"));
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > end - 12 {
        return Err(damaged("its footer is longer than the file"));
    }
    if length > FOOTER_BYTES_MAX {
        return Err(polars_err!(ComputeError: "its footer has {length} bytes, and at most {FOOTER_BYTES_MAX} are read"));
    }
    input.seek(SeekFrom::Start(end - 8 - length))?;
    let mut footer = vec![0; usize::try_from(length).unwrap_or(0)];
    input.read_exact(&mut footer)?;
    let mut columns = 0;
    let walked = thrift::walk(&footer, footer_types::FILE, &mut |found| {
        if (found.field, found.inner) == (COLUMNS_FIELD, 0) {
            columns = found.value;
        }
    });
    walked.ok_or_else(|| damaged("its footer claims more than there is, or a field has another type than Parquet's"))?;
    if columns > COLUMNS_MAX {
        return Err(polars_err!(ComputeError: "it has {columns} columns, and at most {COLUMNS_MAX} are read"));
    }
    Ok(())
}

/// A trace of a thousand million requests has 8,000 groups of 26 columns, each described in about 60 bytes.
const FOOTER_BYTES_MAX: u64 = 32 << 20;
const COLUMNS_FIELD: i64 = 2;
const COLUMNS_MAX: i64 = 512;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(footer: &[u8]) -> Cursor<Vec<u8>> {
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        Cursor::new([b"PAR1", footer, &length, b"PAR1"].concat())
    }

    fn reason(footer: &[u8]) -> String {
        check(&mut file(footer)).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_list_that_is_longer_than_the_footer_is_refused() {
        assert_eq!(reason(&[0x29, 0x2c, 0, 0, 0]), "");
        assert!(reason(&[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0]).contains("claims more than there is"));
    }

    #[test]
    fn columns_are_counted() {
        let mut footer = vec![0x29, 0xfc, 0xd0, 0x0f];
        footer.extend([0; 2001]);
        assert!(reason(&footer).contains("it has 2000 columns"), "{}", reason(&footer));
    }

    #[test]
    fn other_ends_are_named() {
        let error = |bytes: &[u8]| check(&mut Cursor::new(bytes.to_vec())).unwrap_err().to_string();
        assert!(error(b"PAR1").contains("too short"));
        assert!(error(b"PAR1 and then rubbish").contains("does not end with PAR1"));
        assert!(error(b"PAR1\xff\xff\xff\x7fPAR1").contains("longer than the file"));
    }
}
