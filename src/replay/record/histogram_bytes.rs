//! Histograms as bytes: HdrHistogram's V2 format, deflated.
//!
//! The library takes the memory that the bytes claim to need, up to 4 GB, so that they are looked at here before. Invariant: any bytes end in a
//! histogram with the bounds of this crate's, or in nothing, with less than a megabyte of memory.

use std::io::Read;

use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::tally::{LONGEST_NS, SIGNIFICANT_DIGITS};

/// Reads a histogram as this crate writes it; `None` if the bytes are anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<Histogram<u64>> {
    let inflated = inflate(bytes)?;
    check(&inflated)?;
    Deserializer::new().deserialize(&mut inflated.as_slice()).ok()
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, deflated) = bytes.strip_prefix(&DEFLATED)?.split_first_chunk::<4>()?;
    let deflated = deflated.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let mut inflated = Vec::new();
    ZlibDecoder::new(deflated).take(BYTES_MAX + 1).read_to_end(&mut inflated).ok()?;
    (inflated.len() as u64 <= BYTES_MAX).then_some(inflated)
}

/// Checks the head of a histogram (cookie, length, offset, digits, bounds, ratio) and that no count is the one that cannot be negated.
fn check(inflated: &[u8]) -> Option<()> {
    let number = |at: usize| Some(u32::from_be_bytes(inflated.get(at..at + 4)?.try_into().ok()?));
    let wide = |at: usize| Some(u64::from_be_bytes(inflated.get(at..at + 8)?.try_into().ok()?));
    let counts = inflated.get(HEAD_BYTES..)?;
    let is_ours = inflated.starts_with(&PLAIN)
        && usize::try_from(number(4)?).ok()? == counts.len()
        && number(12)? == u32::from(SIGNIFICANT_DIGITS)
        && wide(16)? == 1
        && wide(24)? <= LONGEST_NS;
    let mut ones = 0;
    for byte in counts {
        ones = if *byte == 0xff { ones + 1 } else { 0 };
        // Nine such bytes are the count -2^63.
        if ones == 9 {
            return None;
        }
    }
    is_ours.then_some(())
}

const DEFLATED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
const PLAIN: [u8; 4] = 0x1c84_9313_u32.to_be_bytes();
const HEAD_BYTES: usize = 40;
/// 34,000 counts of at most nine bytes.
const BYTES_MAX: u64 = 320_000;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

    use super::*;

    fn deflated(inflated: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(inflated).unwrap();
        let zlib = zlib.finish().unwrap();
        [&DEFLATED[..], &u32::try_from(zlib.len()).unwrap().to_be_bytes(), &zlib].concat()
    }

    fn written() -> Vec<u8> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS).unwrap();
        histogram.record_n(5_000_000, 1 << 40).unwrap();
        histogram.record(LONGEST_NS).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_written_histogram_is_read() {
        assert_eq!(decode(&written()).unwrap().len(), (1 << 40) + 1);
    }

    #[test]
    fn bombs_and_claims_are_refused() {
        let inflated = inflate(&written()).unwrap();
        assert!(decode(&deflated(&inflated)).is_some());
        let changed = |at: usize, by: &[u8]| {
            let mut other = inflated.clone();
            other[at..at + by.len()].copy_from_slice(by);
            decode(&deflated(&other))
        };
        assert!(changed(4, &u32::MAX.to_be_bytes()).is_none(), "4 GB of counts");
        assert!(changed(12, &5_u32.to_be_bytes()).is_none(), "five digits");
        assert!(changed(24, &u64::MAX.to_be_bytes()).is_none(), "values of any size");
        assert!(decode(&deflated(&[&inflated[..], &vec![0; 100 << 20]].concat())).is_none(), "100 MB of zeros in 100 kB");
        let mut smallest = inflated[..HEAD_BYTES].to_vec();
        smallest[4..8].copy_from_slice(&9_u32.to_be_bytes());
        smallest.extend([0xff; 9]);
        assert!(decode(&deflated(&smallest)).is_none(), "a count that cannot be negated");
        for length in 0..written().len() {
            assert!(decode(&written()[..length]).is_none(), "{length} bytes");
        }
    }
}
