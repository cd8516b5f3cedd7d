//! The register of all formats: their names for `--format`, and their parsers.
//!
//! Knows no line of a log.

use super::super::formats::apache;
use super::super::formats::aws::Aws;
use super::super::formats::caddy::Caddy;
use super::super::formats::envoy;
use super::super::formats::haproxy::{self, Haproxy};
use super::super::formats::json_names::Dialect;
use super::super::formats::nginx;
use super::super::formats::nginx_json::NginxJson;
use super::super::formats::products::Product;
use super::super::formats::squid::Squid;
use super::super::formats::synapse::Synapse;
use super::super::formats::synapse_json::SynapseJson;
use super::super::formats::traefik;
use super::super::formats::traefik_json::TraefikJson;
use super::super::formats::w3c::W3c;
use super::super::{Parser, StampReader};

/// A value of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    NginxCombined,
    /// combined with `X-Forwarded-For`.
    NginxMain,
    /// combined after the virtual host, with or without port.
    NginxVhost,
    /// A JSON object per line, with keys of common names.
    NginxJson,
    ApacheCommon,
    ApacheCombined,
    /// Debian's `vhost_combined`.
    ApacheVhost,
    Lighttpd,
    /// `option httplog`, with or without `clf`.
    Haproxy,
    /// Envoy's and Istio's text.
    Envoy,
    /// A product that ships an nginx `log_format`.
    Product(Product),
    /// A program with fixed keys.
    Json(Dialect),
    Aws,
    /// IIS, CloudFront.
    W3c,
    Caddy,
    Traefik,
    TraefikJson,
    Squid,
    Synapse,
    SynapseJson,
}

/// The values of `--format`, except for the default `auto`.
pub const FORMATS: [(&str, Format); 30] = [
    ("nginx-combined", Format::NginxCombined),
    ("nginx-main", Format::NginxMain),
    ("nginx-vhost", Format::NginxVhost),
    ("nginx-json", Format::NginxJson),
    ("apache-common", Format::ApacheCommon),
    ("apache-combined", Format::ApacheCombined),
    ("apache-vhost", Format::ApacheVhost),
    ("lighttpd", Format::Lighttpd),
    ("nginx-proxy-manager", Format::Product(Product::NginxProxyManager)),
    ("ingress-nginx", Format::Product(Product::IngressNginx)),
    ("nginx-proxy", Format::Product(Product::NginxProxy)),
    ("ansible-deploy", Format::Product(Product::AnsibleDeploy)),
    ("nginx-balanced", Format::Product(Product::TcpipukGuide)),
    ("nginx-upstreamlog", Format::Product(Product::UpstreamLog)),
    ("haproxy", Format::Haproxy),
    ("haproxy-json", Format::Json(Dialect::Haproxy)),
    ("envoy", Format::Envoy),
    ("envoy-json", Format::Json(Dialect::Envoy)),
    ("aws", Format::Aws),
    ("aws-json", Format::Json(Dialect::Aws)),
    ("google-cloud", Format::Json(Dialect::GoogleCloud)),
    ("cloudflare", Format::Json(Dialect::Cloudflare)),
    ("azure", Format::Json(Dialect::Azure)),
    ("w3c", Format::W3c),
    ("caddy", Format::Caddy),
    ("traefik", Format::Traefik),
    ("traefik-json", Format::TraefikJson),
    ("squid", Format::Squid),
    ("synapse", Format::Synapse),
    ("synapse-json", Format::SynapseJson),
];

impl Format {
    pub fn from_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The parsers of the format, the usual one first.
    pub(super) fn parsers(self, stamps: &StampReader) -> Vec<Box<dyn Parser>> {
        let stamps = || stamps.clone();
        match self {
            Self::NginxCombined => vec![Box::new(nginx::combined(stamps()))],
            Self::NginxMain => vec![Box::new(nginx::main(stamps()))],
            Self::NginxVhost => vec![Box::new(nginx::vhost_port(stamps())), Box::new(nginx::vhost(stamps()))],
            Self::NginxJson => vec![Box::new(NginxJson::guessed(stamps()))],
            Self::ApacheCommon => vec![Box::new(apache::common(stamps()))],
            Self::ApacheCombined => vec![Box::new(apache::combined(stamps()))],
            Self::ApacheVhost => vec![Box::new(apache::vhost_combined(stamps()))],
            Self::Lighttpd => vec![Box::new(apache::lighttpd(stamps()))],
            Self::Product(product) => product.parsers(&stamps()),
            Self::Json(dialect) => vec![Box::new(NginxJson::of(dialect, stamps()))],
            Self::Envoy => envoy::text_parsers(&stamps()),
            Self::Aws => vec![Box::new(Aws::new(stamps()))],
            Self::W3c => vec![Box::new(W3c::new(stamps()))],
            Self::Haproxy => vec![Box::new(Haproxy::new(stamps())), Box::new(haproxy::clf(stamps()))],
            Self::Caddy => vec![Box::new(Caddy::new(stamps()))],
            Self::Traefik => vec![Box::new(traefik::common(stamps())), Box::new(traefik::generic(stamps()))],
            Self::TraefikJson => vec![Box::new(TraefikJson::new(stamps()))],
            Self::Squid => vec![Box::new(Squid::new(stamps()))],
            Self::Synapse => vec![Box::new(Synapse::new(stamps()))],
            Self::SynapseJson => vec![Box::new(SynapseJson::new(stamps()))],
        }
    }
}
