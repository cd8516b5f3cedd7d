//! Formats that products ship as nginx `log_format`s.
//!
//! | product | source |
//! |---|---|
//! | Nginx Proxy Manager | `docker/rootfs/etc/nginx/conf.d/include/log-proxy.conf`, `log.conf` before 2.12: `proxy` and `standard` |
//! | ingress-nginx | documentation, "Log format" (`upstreaminfo`); before 0.25 with `$the_real_ip` |
//! | nginx-proxy | `nginx.tmpl`: `vhost`, with the upstream since 1.0 |
//! | matrix-docker-ansible-deploy | `nginx.conf.j2` of `matrix-synapse-reverse-proxy-companion`: `prometheus_fmt`; its other log is nginx's `main` |
//! | tcpipuk's guide to Synapse | `nginx.conf`: `balanced`, with the quote that is one too many |
//! | `upstreamlog` | published in many guides to balancing with nginx, in these variants |
//!
//! SWAG and Synapse's own Docker image log nginx's `combined`.

use super::nginx::LogFormat;
use crate::{Parser, StampReader};

/// A product whose format is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    NginxProxyManager,
    IngressNginx,
    NginxProxy,
    AnsibleDeploy,
    TcpipukGuide,
    UpstreamLog,
}

impl Product {
    /// The format's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NginxProxyManager => "nginx proxy manager",
            Self::IngressNginx => "ingress-nginx",
            Self::NginxProxy => "nginx-proxy",
            Self::AnsibleDeploy => "matrix-docker-ansible-deploy",
            Self::TcpipukGuide => "nginx balanced",
            Self::UpstreamLog => "nginx upstreamlog",
        }
    }

    /// The texts of its `log_format`s.
    fn formats(self) -> &'static [&'static str] {
        match self {
            Self::NginxProxyManager => &[
                r#"[$time_local] $upstream_cache_status $upstream_status $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio] [Sent-to $server] "$http_user_agent" "$http_referer""#,
                r#"[$time_local] $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio] "$http_user_agent" "$http_referer""#,
            ],
            Self::IngressNginx => &[
                r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"#,
                r#"$the_real_ip - [$proxy_protocol_addr] - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"#,
                r#"$the_real_ip - [$proxy_protocol_addr] - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"#,
            ],
            Self::NginxProxy => &[
                r#"$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$upstream_addr""#,
            ],
            Self::AnsibleDeploy => &[
                r#"matrix-synapse-reverse-proxy-companion $server_name - $upstream_addr - $remote_addr - $remote_user [$time_local] $host "$request" $status "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#,
                r#"matrix-nginx-proxy $server_name - $upstream_addr - $remote_addr - $remote_user [$time_local] $host "$request" $status "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#,
            ],
            Self::TcpipukGuide => &[
                r#""$proxy_host" "$upstream_addr" >> $http_x_forwarded_for "$remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time"#,
            ],
            Self::UpstreamLog => &[
                r"[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request $status upstream_response_time $upstream_response_time msec $msec request_time $request_time",
                r"[$time_local] $remote_addr - $remote_user - $server_name to: $upstream_addr: $request upstream_response_time $upstream_response_time msec $msec request_time $request_time",
            ],
        }
    }

    /// The parsers of its formats, the present one first.
    pub fn parsers(self, stamps: &StampReader) -> Vec<Box<dyn Parser>> {
        let parser = |text: &&str| {
            #[expect(clippy::expect_used, reason = "the formats are constants, each compiled by a test")]
            let parser =
                LogFormat::parse(text).and_then(|format| format.parser(self.name(), stamps.clone())).expect("a built-in format compiles");
            Box::new(parser) as Box<dyn Parser>
        };
        self.formats().iter().map(parser).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use crate::formats::testing::{malformed, request, stamps, text};

    const ALL: [Product; 6] = [
        Product::NginxProxyManager,
        Product::IngressNginx,
        Product::NginxProxy,
        Product::AnsibleDeploy,
        Product::TcpipukGuide,
        Product::UpstreamLog,
    ];

    fn check(product: Product, index: usize, line: &str, test: impl Fn(&Record<'_>)) {
        let mut parser = product.parsers(&stamps()).remove(index);
        test(&request(parser.as_mut(), line));
        for cut in [line.len() / 4, line.len() / 2, line.len() * 3 / 4] {
            assert!(malformed(parser.as_mut(), &line[..cut]).column <= cut);
        }
    }

    fn upstream(record: &Record<'_>) -> (String, u8) {
        (text(&record.upstream.clone().unwrap_or_default()), record.upstream_tries)
    }

    #[test]
    fn every_format_compiles_and_names_itself() {
        for product in ALL {
            assert!(product.parsers(&stamps()).iter().all(|parser| parser.name() == product.name()));
        }
    }

    #[test]
    fn nginx_proxy_manager_names_the_client_and_where_it_sent_the_request() {
        let line = r#"[24/Apr/2024:20:28:54 +0000] - 200 200 - GET https matrix.example.se "/_matrix/client/v3/sync?timeout=30000&since=s1_2" [Client 192.0.2.1] [Length 500] [Gzip -] [Sent-to 192.168.1.61] "Mozilla/5.0" "https://element.example.se/""#;
        check(Product::NginxProxyManager, 0, line, |record| {
            assert_eq!((record.address, record.status, record.bytes_sent), (Some(&b"192.0.2.1"[..]), 200, Some(500)));
            assert_eq!(
                (text(record.method), text(&record.target)),
                ("GET".into(), "/_matrix/client/v3/sync?timeout=30000&since=s1_2".into())
            );
            assert_eq!(upstream(record), ("192.168.1.61".into(), 1));
        });
        check(Product::NginxProxyManager, 0, &line.replace("- 200 200", "- - 301"), |record| {
            assert_eq!((record.status, upstream(record)), (301, (String::new(), 0)));
        });
        check(Product::NginxProxyManager, 0, &line.replace("- 200 200", "- - 499"), |record| {
            assert_eq!((record.aborted, upstream(record)), (true, ("192.168.1.61".into(), 1)));
        });
        check(Product::NginxProxyManager, 1, &line.replace("- 200 200", "404").replace(" [Sent-to 192.168.1.61]", ""), |record| {
            assert_eq!(record.status, 404);
        });
    }

    #[test]
    fn ingress_nginx_lists_the_upstreams_of_a_retry() {
        let line = r#"192.0.2.18 - - [14/May/2024:09:12:03 +0000] "GET /_matrix/client/versions HTTP/2.0" 200 900 "-" "curl/8" 45 0.204 [matrix-synapse-8008] [] 10.244.1.12:8008, 10.244.1.13:8008 0, 900 0.100, 0.104 502, 200 2b8c1f1f4c9d4e3e9b8b6d6f0a1b2c3d"#;
        check(Product::IngressNginx, 0, line, |record| {
            assert_eq!(
                (record.wall_us, record.upstream_us, upstream(record)),
                (Some(204_000), Some(204_000), ("10.244.1.13:8008".into(), 2))
            );
            assert_eq!(text(record.request_id.unwrap()), "2b8c1f1f4c9d4e3e9b8b6d6f0a1b2c3d");
        });
        let none = line.replace("10.244.1.12:8008, 10.244.1.13:8008 0, 900 0.100, 0.104 502, 200", "- - - -");
        check(Product::IngressNginx, 0, &none, |record| assert_eq!((record.upstream_us, upstream(record)), (None, (String::new(), 0))));
        let old = line
            .replace("192.0.2.18 - - [14", "192.0.2.18 - [192.0.2.18] - - [14")
            .replace("[matrix-synapse-8008] []", "[matrix-synapse-8008]");
        check(Product::IngressNginx, 1, &old, |record| assert_eq!(record.address, Some(&b"192.0.2.18"[..])));
    }

    #[test]
    fn other_products_have_their_upstreams() {
        let line = r#"matrix.example.org 192.0.2.7 - - [14/May/2024:09:12:01 +0000] "GET /a HTTP/2.0" 200 900 "-" "Element/1.11" "172.18.0.5:8008""#;
        check(Product::NginxProxy, 0, line, |record| {
            assert_eq!((text(record.site.unwrap()), upstream(record)), ("matrix.example.org".into(), ("172.18.0.5:8008".into(), 1)));
        });
        let line = r#"matrix-synapse-reverse-proxy-companion matrix.example.org - 172.21.0.9:18111 - 172.21.0.3 - - [14/May/2024:09:12:01 +0000] matrix.example.org "GET /a HTTP/1.1" 200 "-" "Element/1.11" "203.0.113.7""#;
        check(Product::AnsibleDeploy, 0, line, |record| {
            assert_eq!((record.address, upstream(record)), (Some(&b"203.0.113.7"[..]), ("172.21.0.9:18111".into(), 1)));
        });
        let line = r#""synapse_inbound_client_syncs" "unix:/sockets/synapse_inbound_client_sync1.sock" >> 203.0.113.7 "- [14/May/2024:09:12:01 +0000] "GET /_matrix/client/v3/sync HTTP/1.1" 200 900 "-" "Element/1.11" 30.004"#;
        check(Product::TcpipukGuide, 0, line, |record| {
            assert_eq!((record.wall_us, record.address), (Some(30_004_000), Some(&b"203.0.113.7"[..])));
            assert_eq!(upstream(record), ("unix:/sockets/synapse_inbound_client_sync1.sock".into(), 1));
        });
        let line = "[14/May/2024:09:12:01 +0000] 192.0.2.7 - - - matrix.example.org matrix.example.org to: 10.0.0.2:8008: GET /_matrix/client/v3/sync HTTP/2.0 200 upstream_response_time 0.120 msec 1715677921.123 request_time 0.130";
        check(Product::UpstreamLog, 0, line, |record| {
            assert_eq!((record.wall_us, record.upstream_us, upstream(record)), (Some(130_000), Some(120_000), ("10.0.0.2:8008".into(), 1)));
            assert_eq!((text(&record.target), record.status), ("/_matrix/client/v3/sync".into(), 200));
        });
    }
}
