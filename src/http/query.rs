//! The parameters of a query string.

use crate::percent;
use crate::scan;

/// The parameters of a query in order: raw name and raw value. A parameter without `=` has an empty value.
#[inline]
pub fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = query;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = scan::find(b'&', rest).unwrap_or(rest.len());
            let parameter = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if !parameter.is_empty() {
                let equals = scan::find(b'=', parameter).unwrap_or(parameter.len());
                return Some((&parameter[..equals], parameter.get(equals + 1..).unwrap_or_default()));
            }
        }
        None
    })
}

/// Whether a `/sync` with this query asks for the whole state: without a `since` (an empty one, which is all that nginx's
/// `$arg_since` shows of a missing one, counts as missing), or with `full_state=true`. Names and values may be
/// percent-encoded; the first of several parameters of one name counts, as in Synapse.
#[inline]
#[must_use]
pub fn is_initial_sync(query: Option<&[u8]>) -> bool {
    let (mut since, mut full_state) = (None, None);
    for (name, value) in parameters(query.unwrap_or_default()) {
        match percent::decode(name).as_ref() {
            b"since" => since = since.or(Some(value)),
            b"full_state" => full_state = full_state.or(Some(value)),
            _ => {}
        }
    }
    is_initial(since, full_state.map(percent::decode).as_deref())
}

/// [`is_initial_sync`] for a caller that has read the two parameters already; `full_state` decoded.
#[inline]
#[must_use]
pub fn is_initial(since: Option<&[u8]>, full_state: Option<&[u8]>) -> bool {
    since.is_none_or(<[u8]>::is_empty) || full_state == Some(b"true")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_come_in_order_and_empty_ones_are_skipped() {
        let all = |query: &'static str| parameters(query.as_bytes()).collect::<Vec<_>>();
        assert_eq!(all("a=1&&b&=c&"), [(&b"a"[..], &b"1"[..]), (b"b", b""), (b"", b"c")]);
        assert_eq!(all(""), []);
    }

    #[test]
    fn only_a_since_with_a_value_makes_a_sync_incremental() {
        let initial = |query: &str| is_initial_sync(Some(query.as_bytes()));
        assert!(is_initial_sync(None));
        assert!(initial(""));
        assert!(initial("timeout=0&filter=%7B%22since%3D1%22%7D"));
        assert!(initial("since="));
        assert!(initial("xsince=s1"));
        assert!(!initial("since=s1_2"));
        assert!(!initial("timeout=30000&since=s1"));
        assert!(!initial("%73ince=s1"));
        assert!(!initial("since=s1&since="));
        assert!(!initial("&&since=s1&&"));
        assert!(initial("since=s1&full_state=true"));
        assert!(initial("since=s1&full%5fstate=%74rue"));
        assert!(!initial("since=s1&full_state=false"));
        assert!(!initial("since=s1&full_state"));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_a_query(bytes: Vec<u8>) {
            let parameters: usize = parameters(&bytes).map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(parameters <= bytes.len());
            let _ = is_initial_sync(Some(&bytes));
        }
    }
}
