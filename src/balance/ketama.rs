//! nginx `hash … consistent`: ketama as Cache::Memcached::Fast lays it out, 160 points a unit of weight.
//!
//! nginx `src/http/modules/ngx_http_upstream_hash_module.c`. The text in the configuration counts, not the resolved address.

use super::hashes::Crc32;
use super::ring::Ring;
use super::server::Server;

/// The ring of a pool. Of several points at one position one survives: nginx does not document which, here the first configured.
pub(super) fn ring(servers: &[Server]) -> Ring<u32> {
    Ring::new(servers.iter().enumerate().flat_map(|(index, server)| points(server).map(move |point| (point, index)))).without_equal_points()
}

/// Each point is the CRC-32 of host, a zero byte, port, and the point before it.
fn points(server: &Server) -> impl Iterator<Item = u32> {
    let (host, port) = split(server.name.as_bytes());
    let mut base = Crc32::new();
    base.update(host);
    base.update(&[0]);
    base.update(port);
    let point = move |previous: u32| {
        let mut state = base.clone();
        state.update(&previous.to_le_bytes());
        state.finalize()
    };
    let count = POINTS_PER_WEIGHT * server.weight as usize;
    std::iter::successors(Some(point(0)), move |previous| Some(point(*previous))).take(count)
}

/// Host and port, split at the last colon if only digits follow it. `unix:` is removed, and a socket has no port.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    if let Some((scheme, path)) = name.split_at_checked(5)
        && scheme.eq_ignore_ascii_case(b"unix:")
    {
        return (path, b"");
    }
    match name.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(colon) if name[colon] == b':' => (&name[..colon], &name[colon + 1..]),
        _ => (name, b""),
    }
}

const POINTS_PER_WEIGHT: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_split_as_in_nginx() {
        assert_eq!(split(b"127.0.0.1:8013"), (&b"127.0.0.1"[..], &b"8013"[..]));
        assert_eq!(split(b"worker"), (&b"worker"[..], &b""[..]));
        assert_eq!(split(b"worker:http"), (&b"worker:http"[..], &b""[..]));
        assert_eq!(split(b"[::1]:80"), (&b"[::1]"[..], &b"80"[..]));
        assert_eq!(split(b"UNIX:/run/a.sock:1"), (&b"/run/a.sock:1"[..], &b""[..]));
    }

    /// Each server's share of the ring.
    fn shares(ring: &Ring<u32>, servers: usize) -> Vec<f64> {
        let mut shares = vec![0.0; servers];
        let points = ring.points();
        let mut before = points.last().map_or(0, |(point, _)| *point);
        for (point, server) in points {
            shares[*server as usize] += f64::from(point.wrapping_sub(before)) / 4_294_967_296.0;
            before = *point;
        }
        shares
    }

    #[test]
    fn the_ring_of_synapses_own_example_is_as_uneven_as_measured() {
        let ring_of = |ports: &[u16]| {
            let servers: Vec<Server> = ports.iter().enumerate().map(|(i, port)| Server::new(&format!("127.0.0.1:{port}"), 1, i)).collect();
            shares(&ring(&servers), servers.len())
        };
        let close = |shares: Vec<f64>, expected: &[f64]| {
            shares.iter().zip(expected).for_each(|(share, expected)| assert!((share - expected).abs() < 0.000_06, "{share} {expected}"));
        };
        close(ring_of(&[8013, 8037, 8038, 8039]), &[0.2570, 0.2444, 0.2568, 0.2418]);
        close(ring_of(&[8016, 8036]), &[0.5728, 0.4272]);
    }
}
