//! The ports of a server: `listen 443 ssl`, `listen [::]:8448`, `listen 127.0.0.1:8080`.

use wsim_nginx::Directive;

/// The ports of all `listen` directives in order; without any, nginx listens on port 80.
pub(super) fn ports(block: &[Directive]) -> Vec<u16> {
    let mut ports = Vec::new();
    let mut listens = false;
    for listen in block.iter().filter(|directive| directive.name == "listen") {
        listens = true;
        if let Some(port) = port(listen.argument(0))
            && !ports.contains(&port)
        {
            ports.push(port);
        }
    }
    if !listens {
        ports.push(80);
    }
    ports
}

/// The port of an argument; 80 for an address without one, `None` for a socket.
fn port(text: &str) -> Option<u16> {
    if text.starts_with("unix:") {
        return None;
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => port.parse().ok(),
        Some(_) => Some(80),
        None => text.parse().ok().or(Some(80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_form_of_listen_has_its_port() {
        let text =
            "listen 443 ssl; listen [::]:443 ssl; listen 127.0.0.1:8448; listen *:8080; listen unix:/run/n.sock; listen [::1]; listen m;";
        let directives = wsim_nginx::parse(Path::new("x"), text).unwrap();
        assert_eq!(ports(&directives), [443, 8448, 8080, 80]);
        assert_eq!(ports(&[]), [80]);
    }
}
