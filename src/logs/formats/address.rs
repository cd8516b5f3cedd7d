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

/// The first address of an `X-Forwarded-For` list, which is the client's.
pub(super) fn first_of_list(list: &[u8]) -> &[u8] {
    list.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii()
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

    #[test]
    fn the_first_of_a_list_is_the_client() {
        assert_eq!(first_of_list(b"192.0.2.5, 198.51.100.4, 10.0.0.1"), b"192.0.2.5");
        assert_eq!(first_of_list(b"192.0.2.5"), b"192.0.2.5");
        assert_eq!(first_of_list(b""), b"");
    }
}
