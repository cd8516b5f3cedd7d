//! The pages of a column, checked before polars decompresses and decodes them: what they claim to hold is bounded.
//!
//! Source: `PageHeader` in Parquet's `parquet.thrift`.

use polars_error::{PolarsResult, polars_err};

use super::thrift;

/// Checks the sizes and counts of all pages of a column of `rows` rows.
///
/// # Errors
/// What the pages claim.
pub(super) fn check(column: &[u8], rows: usize) -> PolarsResult<()> {
    let damaged = || polars_err!(ComputeError: "a page claims more than there is, so the file is damaged");
    let (most, rows) = (bytes_max(column.len()), i64::try_from(rows).unwrap_or(i64::MAX));
    let (mut size, mut values, mut rest) = (0_i64, 0_i64, column);
    while values < rows && !rest.is_empty() {
        let mut page = PageClaims::default();
        rest = thrift::walk(rest, &[], &mut |found| page.take(found)).ok_or_else(damaged)?;
        if page.size < 0 || page.values < 0 || page.dictionary < 0 {
            return Err(damaged());
        }
        rest = usize::try_from(page.compressed).ok().and_then(|length| rest.get(length..)).ok_or_else(damaged)?;
        size = size.saturating_add(page.size);
        values = values.saturating_add(page.values);
        if size > most {
            return Err(polars_err!(ComputeError: "a column of {} bytes claims to hold {size}", column.len()));
        }
        // The shortest value of a dictionary has four bytes: a number, or the length of a text.
        if values > rows || page.dictionary > page.size / 4 {
            return Err(polars_err!(ComputeError: "a column of {rows} rows claims to have {} values", values.max(page.dictionary)));
        }
    }
    Ok(())
}

/// What the header of a page says.
#[derive(Default)]
struct PageClaims {
    /// Bytes in the file.
    compressed: i64,
    /// Bytes without compression.
    size: i64,
    /// Values of a page of data.
    values: i64,
    /// Values of a dictionary.
    dictionary: i64,
}

impl PageClaims {
    fn take(&mut self, found: thrift::Found) {
        match (found.field, found.inner) {
            (2, 0) => self.size = found.value,
            (3, 0) => self.compressed = found.value,
            (5 | 8, 1) => self.values = found.value,
            (7, 1) => self.dictionary = found.value,
            _ => {}
        }
    }
}

/// Bytes that a column of so many compressed bytes may hold: a real one compresses to a sixteenth at best, unless it is small.
pub(super) fn bytes_max(compressed: usize) -> i64 {
    i64::try_from(compressed).unwrap_or(i64::MAX).saturating_mul(16).saturating_add(SMALL_BYTES)
}

const SMALL_BYTES: i64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of data: type, sizes, number of values.
    fn page(size: i64, bytes: usize, values: i64) -> Vec<u8> {
        let mut page = vec![0x15, 0, 0x15];
        varint(&mut page, size);
        page.push(0x15);
        varint(&mut page, i64::try_from(bytes).unwrap());
        page.extend([0x2c, 0x15]);
        varint(&mut page, values);
        page.extend([0, 0]);
        page.extend(vec![7; bytes]);
        page
    }

    fn varint(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 128 {
            out.push(u8::try_from(rest & 127).unwrap() | 128);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).unwrap());
    }

    #[test]
    fn claims_are_bounded() {
        let reason = |pages: &[Vec<u8>], rows| check(&pages.concat(), rows).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(reason(&[page(40, 10, 5), page(40, 10, 5)], 10), "");
        assert!(reason(&[page(40, 10, 5), page(40, 10, 6)], 10).contains("a column of 10 rows claims to have 11 values"));
        assert!(reason(&[page(2_000_000_000, 10, 5)], 10).contains("claims to hold 2000000000"));
        for pages in [vec![page(-1, 10, 5)], vec![page(40, 10, -5)], vec![vec![0x15, 0, 0x15]], vec![page(40, 10, 5)[..12].to_vec()]] {
            assert!(reason(&pages, 10).contains("more than there is"), "{pages:?}");
        }
    }
}
