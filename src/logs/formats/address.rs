//! Client addresses as servers write them.

/// The address in `203.0.113.7:51034` or `[2001:db8::1]:51034`. An address without a port stays as it is.
pub(super) fn without_port(address: &[u8]) -> &[u8] {
    let bracketed = |text: &'_ [u8]| text.first() == Some(&b'[') && text.last() == Some(&b']');
    let host = match memchr::memrchr(b':', address) {
        Some(colon) if bracketed(&address[..colon]) || memchr::memchr(b':', address) == Some(colon) => &address[..colon],
        _ => address,
    };
    if bracketed(host) { &host[1..host.len() - 1] } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_port_is_cut_off() {
        for (written, address) in [
            ("203.0.113.7:51034", "203.0.113.7"),
            ("203.0.113.7", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("", ""),
            ("[", "["),
        ] {
            assert_eq!(without_port(written.as_bytes()), address.as_bytes(), "{written}");
        }
    }
}
