//! Included files that are part of a program's image, which nobody copies with the sites: those of Nginx Proxy Manager and nginx-proxy.
//!
//! Sources: `nginx.tmpl` of nginx-proxy and `app/functions.sh` of its acme-companion (`vhost.d`); `docker/rootfs/etc/nginx/conf.d/include/` of Nginx Proxy Manager (`proxy.conf` passes on; the others route nothing of Matrix).
//! Invariant: a file that is there counts, whatever stands here.

use std::io;
use std::path::{Path, PathBuf};

use wsim_nginx::Files;

/// Files, and behind them those of the image.
pub(super) struct WithImage<'f>(pub(super) &'f dyn Files);

impl Files for WithImage<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == Path::new(PROXY_NAME) { Ok(PROXY.to_owned()) } else { self.0.read(path) }
    }

    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf> {
        let found = self.0.matching(pattern, folders);
        if found.is_empty() && pattern.ends_with(PROXY_FILE) { vec![PathBuf::from(PROXY_NAME)] } else { found }
    }
}

/// Whether a text is a site that Nginx Proxy Manager wrote.
pub(super) fn is_of_manager(text: &str) -> bool {
    text.contains("$forward_scheme")
}

/// Whether an included file is one of an image that routes nothing of Matrix: static files, attacks, redirects to https, challenges.
pub(super) fn routes_nothing(pattern: &str) -> bool {
    const NAMES: [&str; 5] = ["assets.conf", "block-exploits.conf", "force-ssl.conf", "resolvers.conf", "ip_ranges.conf"];
    // nginx-proxy: `default` is where its companion for certificates writes the place of challenges; what a host's location includes stands
    // beside the proxy_pass of that location. The file of a host as a whole may have locations of its own.
    let of_nginx_proxy = pattern.rsplit_once("/vhost.d/").map(|(_, name)| name);
    let is_of_location = |name: &str| name.rsplit_once("_location").is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('_'));
    pattern.rsplit_once("conf.d/include/").is_some_and(|(_, name)| NAMES.contains(&name))
        || of_nginx_proxy.is_some_and(|name| name == "default" || is_of_location(name))
}

const PROXY_FILE: &str = "conf.d/include/proxy.conf";
/// The name in locations.
const PROXY_NAME: &str = "proxy.conf of Nginx Proxy Manager";
const PROXY: &str = "\
proxy_set_header Host $host;
proxy_set_header X-Forwarded-Scheme $scheme;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Real-IP $remote_addr;
proxy_pass $forward_scheme://$server:$port$request_uri;
";

#[cfg(test)]
mod tests {
    use super::super::super::model::{Request, RouteTarget};
    use super::*;
    use wsim_nginx::NoFiles;

    #[test]
    fn a_site_of_the_manager_is_read_without_its_image() {
        let text = "server {\n listen 443 ssl;\n set $forward_scheme http;\n set $server \"10.0.0.5\";\n set $port 8008;\n include conf.d/include/assets.conf;\n \
                    include conf.d/include/block-exploits.conf;\n location / { include conf.d/include/proxy.conf; }\n}\n";
        let proxy = super::super::read(Path::new("1.conf"), text, &NoFiles).unwrap();
        let routed = proxy.sites[0].route(&Request::new("GET", "/_matrix/client/versions"));
        assert_eq!(routed.target, RouteTarget::Server("10.0.0.5:8008".to_owned()));
        assert!(routed.delivery.unwrap().forwarded_proto && !routed.rewritten && proxy.missing.is_empty());
        // Another's file of that name may say anything.
        let other =
            super::super::read(Path::new("s.conf"), "server { location / { include conf.d/include/proxy.conf; } }", &NoFiles).unwrap();
        assert!(matches!(other.sites[0].route(&Request::new("GET", "/")).target, RouteTarget::Unknown(_)));
    }
}
