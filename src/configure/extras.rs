//! Parts of a configuration that are written only on request: metrics, HTTP/3, rate limits, another upload size, the paths of
//! matrix-authentication-service.
//!
//! Owns what each proxy's releases can do of them; the proxies' modules write them.

use super::address::Address;
use super::{ConfigureConfig, ConfigureError};
use wsim_plan::{CheckedPlan, Key, ProxyKind};

/// What is written besides the plan. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// A listener for Prometheus in each process, and the scrape configuration.
    pub metrics: bool,
    /// HTTP/3 for clients.
    pub http3: bool,
    /// A limit on logins and registrations of one address.
    pub rate_limits: bool,
    /// The largest upload in bytes; `None` for what Synapse's files say, or Synapse's default of 50 MiB.
    pub max_upload: Option<u64>,
    /// Where matrix-authentication-service serves logins, logouts and refreshes.
    pub authentication_service: Option<Address>,
}

impl ConfigureConfig {
    /// The largest upload in bytes.
    pub(crate) fn upload_bytes(&self) -> u64 {
        let present = self.present.as_ref().and_then(|present| present.max_upload);
        self.extras.max_upload.or(present).unwrap_or(UPLOAD_BYTES)
    }
}

/// # Errors
/// The proxy, in the plan's release or in any, cannot do what was asked for.
pub(super) fn check(plan: &CheckedPlan, config: &ConfigureConfig, warnings: &mut Vec<String>) -> Result<(), ConfigureError> {
    let proxy = config.proxy;
    if config.extras.http3 {
        check_http3(plan, proxy, warnings)?;
    }
    if config.extras.rate_limits && matches!(proxy, ProxyKind::Caddy | ProxyKind::Apache) {
        let problem = format!(
            "{} has no limit on requests of its own; leave the option out: Synapse limits logins by rc_login and rc_registration",
            proxy.name()
        );
        return Err(ConfigureError::Extra { option: "--rate-limits", problem });
    }
    if config.extras.authentication_service.is_some() {
        for (pool, rule) in plan.pools.iter().zip(plan.rules()).filter(|(pool, _)| pool.size() > 1) {
            if let Some(key @ (Key::User | Key::Token)) = &rule.key {
                warnings.push(format!(
                    "pool {:?} is balanced by {key}, but the tokens of matrix-authentication-service name no user and change every few minutes: each change moves a device to another worker; balance by address instead",
                    pool.name
                ));
            }
        }
    }
    Ok(())
}

fn check_http3(plan: &CheckedPlan, proxy: ProxyKind, warnings: &mut Vec<String>) -> Result<(), ConfigureError> {
    let release = plan.proxy.release().filter(|_| plan.proxy.kind == proxy);
    let (first, needs) = match proxy {
        ProxyKind::Nginx => ([1, 25, 0], "nginx 1.25 or later, built with http_v3_module (`nginx -V`)"),
        ProxyKind::Haproxy => ([2, 6, 0], "HAProxy 2.6 or later, built with QUIC (`haproxy -vv`)"),
        ProxyKind::Caddy => ([2, 6, 0], "Caddy 2.6 or later"),
        ProxyKind::Traefik => ([3, 0, 0], "Traefik 3"),
        ProxyKind::Apache | ProxyKind::Envoy => {
            let problem = format!("no configuration of {} with HTTP/3 is written; choose nginx, haproxy, caddy or traefik", proxy.name());
            return Err(ConfigureError::Extra { option: "--http3", problem });
        }
    };
    if release.is_some_and(|release| release < first) {
        let problem = format!("the plan has an older {}; HTTP/3 needs {needs}", proxy.name());
        return Err(ConfigureError::Extra { option: "--http3", problem });
    }
    warnings.push(format!("HTTP/3 needs {needs}, and UDP port 443 open in the firewall"));
    Ok(())
}

/// The requests that `--rate-limits` counts, as an expression over the path. All are sent with POST.
pub(crate) const LIMITED: &str = "^/_matrix/client/(api/v1|r0|v3|unstable)/(login|register)$";
/// How many of them one address may send in a minute before it gets 429.
pub(crate) const LIMIT_PER_MINUTE: u32 = 30;
/// How many it may send at once.
pub(crate) const LIMIT_BURST: u32 = 20;
/// What a client gets beyond the limit, as the Matrix specification has it.
pub(crate) const LIMITED_RESPONSE: &str = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":5000}"#;
/// The paths that matrix-authentication-service serves instead of Synapse (its documentation, "Reverse proxy configuration").
pub(crate) const AUTHENTICATION: &str = "^/_matrix/client/(api/v1|r0|v1|v3|unstable)/(login|logout|refresh)(/|$)";
/// Synapse's default for `max_upload_size`.
const UPLOAD_BYTES: u64 = 50 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    #[test]
    fn what_a_proxy_cannot_do_is_refused_with_the_option() {
        let plan = Preset::find("sync-split").unwrap().plan(2, &PresetConfig::default()).unwrap();
        let refused = |proxy: ProxyKind, extras: Extras| {
            let config = ConfigureConfig { proxy, extras, ..ConfigureConfig::default() };
            check(&plan, &config, &mut Vec::new()).is_err()
        };
        let http3 = || Extras { http3: true, ..Extras::default() };
        let limits = || Extras { rate_limits: true, ..Extras::default() };
        assert!(refused(ProxyKind::Apache, http3()) && !refused(ProxyKind::Caddy, http3()));
        assert!(refused(ProxyKind::Caddy, limits()) && refused(ProxyKind::Apache, limits()) && !refused(ProxyKind::Nginx, limits()));
        let mut old = plan.clone().into_plan();
        old.proxy.release = Some("1.22.1".to_owned());
        let config = ConfigureConfig { extras: http3(), ..ConfigureConfig::default() };
        assert!(check(&old.check().unwrap(), &config, &mut Vec::new()).is_err());
        let mut warnings = Vec::new();
        let service = Extras { authentication_service: Some(Address::tcp("127.0.0.1", 8080)), ..Extras::default() };
        check(&plan, &ConfigureConfig { extras: service, ..ConfigureConfig::default() }, &mut warnings).unwrap();
        assert!(warnings.iter().all(|warning| warning.contains("change every few minutes")) && !warnings.is_empty(), "{warnings:?}");
    }
}
