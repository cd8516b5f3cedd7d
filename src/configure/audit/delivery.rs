//! How requests are passed on: the size of bodies, the client's address, the time for a response, buffers, and rules that nothing reaches.
//!
//! Sources: docs/reverse_proxy.md and docs/usage/configuration of Synapse (`max_upload_size` 50M, `x_forwarded`), `synapse/http/site.py`
//! (the first address of `X-Forwarded-For` counts).

use std::collections::{BTreeMap, BTreeSet};

use super::super::read::{Delivery, Doubts, Request, SourceLocation, Words};
use super::finding::{Finding, SHOWN, Severity};
use super::keys;
use super::observe::{Observation, Observed};
use wsim_plan::ProxyKind;

/// Checks how every request that reaches a server is passed on.
pub(super) fn check(observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let passed: Vec<Passed<'_>> = observed
        .observations
        .iter()
        .filter_map(|observation| Some(Passed { observation, pool: observation.pool()?, delivery: observation.delivery.as_ref()? }))
        .collect();
    unknown(&passed, findings);
    upload_size(observed, &passed, findings);
    time_for_polls(observed, &passed, findings);
    forwarded(observed, &passed, findings);
    buffering(observed, &passed, findings);
    shadowed(observed, findings);
}

struct Passed<'o> {
    observation: &'o Observation<'o>,
    pool: usize,
    delivery: &'o Delivery,
}

/// One finding for all these requests, at the rule of the first.
fn push(findings: &mut Vec<Finding>, code: &'static str, severity: Severity, requests: &[&Passed<'_>], words: [String; 3]) {
    let Some(first) = requests.first() else { return };
    let mut shown: Vec<String> = requests.iter().map(|passed| passed.observation.shown()).collect();
    shown.sort();
    shown.dedup();
    let finding = Finding::new(code, severity, first.observation.rule.clone(), words);
    findings.push(Finding { requests: shown.len(), examples: shown.into_iter().take(SHOWN).collect(), ..finding });
}

/// A setting that a missing file may have, by its name, and the place that includes the file.
type Doubtful = (&'static str, fn(&Doubts) -> Option<&SourceLocation>);

/// Settings that may stand in an included file that is not there: one finding for each such file.
fn unknown(passed: &[Passed<'_>], findings: &mut Vec<Finding>) {
    const SETTINGS: [Doubtful; 5] = [
        ("the size of bodies", |doubts| doubts.body_max.as_ref()),
        ("time-outs", |doubts| doubts.patience.as_ref()),
        ("X-Forwarded-For", |doubts| doubts.forwarded_for.as_ref()),
        ("X-Forwarded-Proto", |doubts| doubts.forwarded_proto.as_ref()),
        ("buffering", |doubts| doubts.buffers.as_ref()),
    ];
    let mut files: BTreeMap<&SourceLocation, (BTreeSet<usize>, BTreeSet<String>)> = BTreeMap::new();
    for passed in passed {
        for (index, (_, doubt)) in SETTINGS.iter().enumerate() {
            if let Some(at) = doubt(&passed.delivery.doubts) {
                let (settings, requests) = files.entry(at).or_default();
                settings.insert(index);
                requests.insert(passed.observation.shown());
            }
        }
    }
    for (at, (settings, requests)) in files {
        let names: Vec<&str> = settings.iter().map(|index| SETTINGS[*index].0).collect();
        let words = [
            format!("how these requests are passed on is not known: {}", wsim_text::list(&names)),
            "the file that is included here is not there, and may say it".to_owned(),
            "name the file, or the folder that has it".to_owned(),
        ];
        let finding = Finding::new("not-evaluated", Severity::Hint, Some(at.clone()), words);
        findings.push(Finding { requests: requests.len(), examples: requests.into_iter().take(SHOWN).collect(), ..finding });
    }
}

fn upload_size(observed: &Observed<'_>, passed: &[Passed<'_>], findings: &mut Vec<Finding>) {
    let configured = observed.cluster().max_upload_size();
    let wanted = configured.unwrap_or(UPLOAD_DEFAULT);
    let uploads: Vec<&Passed<'_>> = passed
        .iter()
        .filter(|passed| passed.observation.example.target == UPLOAD && passed.delivery.body_max.is_some_and(|limit| limit < wanted))
        .filter(|passed| passed.delivery.doubts.body_max.is_none())
        .collect();
    let limit = uploads.iter().filter_map(|passed| passed.delivery.body_max).min().unwrap_or(0);
    let source = if configured.is_some() { "max_upload_size" } else { "Synapse's default of max_upload_size" };
    push(
        findings,
        "upload-too-large",
        if configured.is_some() { Severity::Warning } else { Severity::Hint },
        &uploads,
        [
            format!("the proxy accepts bodies up to {}, and {source} is {}", size(limit), size(wanted)),
            "larger uploads fail with 413, and clients say that the file is too large".to_owned(),
            body_setting(words(observed, &uploads), wanted),
        ],
    );
}

fn time_for_polls(observed: &Observed<'_>, passed: &[Passed<'_>], findings: &mut Vec<Finding>) {
    let is_poll = |passed: &&Passed<'_>| matches!(passed.observation.endpoint.group.as_str(), "sync" | "sliding_sync");
    let short: Vec<&Passed<'_>> = passed
        .iter()
        .filter(is_poll)
        .filter(|passed| passed.delivery.doubts.patience.is_none())
        .filter(|passed| passed.delivery.patience_ms.is_some_and(|patience| patience <= POLL_MS))
        .collect();
    let patience = short.iter().filter_map(|passed| passed.delivery.patience_ms).min().unwrap_or(0);
    push(
        findings,
        "timeout-below-poll",
        Severity::Warning,
        &short,
        [
            format!(
                "the proxy waits {} for a response, and a sync waits for 30 s or longer",
                wsim_text::duration(patience as f64 / 1000.0)
            ),
            "a sync without news ends with 504, and the client starts another at once".to_owned(),
            format!("at least 60 s for syncs ({}); initial syncs of large accounts take minutes", time_setting(words(observed, &short))),
        ],
    );
}

/// `X-Forwarded-For` and `-Proto`, as far as Synapse reads them.
fn forwarded(observed: &Observed<'_>, passed: &[Passed<'_>], findings: &mut Vec<Finding>) {
    let reads = |passed: &&Passed<'_>| {
        let servers = observed.pools[passed.pool].pool.servers.iter();
        let listeners: Vec<bool> =
            servers.filter_map(|server| observed.cluster().listener_at(&server.address)).map(|l| l.x_forwarded).collect();
        if listeners.is_empty() { None } else { Some(listeners.into_iter().all(|reads| reads)) }
    };
    let with = |wanted: Option<bool>| -> Vec<&Passed<'_>> { passed.iter().filter(|passed| reads(passed) == wanted).collect() };
    let (reading, not_reading) = (with(Some(true)), with(Some(false)));
    push(
        findings,
        "x-forwarded-off",
        Severity::Warning,
        &not_reading,
        [
            "the listener behind the proxy has no x_forwarded: true".to_owned(),
            "Synapse takes the proxy's address for that of every client: logs, rate limits of logins and bans by address are wrong"
                .to_owned(),
            "x_forwarded: true at this listener".to_owned(),
        ],
    );
    // Where the listeners are not known, they are assumed to read the headers, as the documentation says.
    let known_or_assumed = if observed.cluster().processes.is_empty() { with(None) } else { reading };
    let severity = if observed.cluster().processes.is_empty() { Severity::Hint } else { Severity::Warning };
    let certain = || known_or_assumed.iter().copied().filter(|passed| passed.delivery.doubts.forwarded_for.is_none());
    let without: Vec<&Passed<'_>> = certain().filter(|passed| passed.delivery.forwarded_for.is_none()).collect();
    push(
        findings,
        "no-forwarded-for",
        severity,
        &without,
        [
            "X-Forwarded-For is not set, so the client's own header reaches Synapse".to_owned(),
            "any client can choose the address that Synapse sees, and those that send none have the proxy's".to_owned(),
            "nginx: proxy_set_header X-Forwarded-For $remote_addr; HAProxy: option forwardfor".to_owned(),
        ],
    );
    let appended: Vec<&Passed<'_>> =
        certain().filter(|passed| passed.delivery.forwarded_for.as_deref() == Some("$proxy_add_x_forwarded_for")).collect();
    push(
        findings,
        "forwarded-for-appended",
        Severity::Hint,
        &appended,
        [
            "X-Forwarded-For is appended to what the client sends".to_owned(),
            "Synapse takes the first address of the header, which a client can write itself".to_owned(),
            match words(observed, &appended) {
                Words::Apache => {
                    "RequestHeader unset X-Forwarded-For, to which mod_proxy then adds the address; unless another proxy stands in front"
                }
                Words::Envoy => "skip_xff_append: true, and request_headers_to_add with %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%; unless another proxy stands in front",
                _ => "proxy_set_header X-Forwarded-For $remote_addr; unless another proxy stands in front",
            }
            .to_owned(),
        ],
    );
    let is_set = |passed: &Passed<'_>| passed.delivery.forwarded_proto || passed.delivery.doubts.forwarded_proto.is_some();
    let no_scheme: Vec<&Passed<'_>> = known_or_assumed.iter().copied().filter(|passed| !is_set(passed)).collect();
    push(
        findings,
        "no-forwarded-proto",
        Severity::Hint,
        &no_scheme,
        [
            "X-Forwarded-Proto is not set".to_owned(),
            "Synapse assumes https, and warns of it in its log".to_owned(),
            match words(observed, &no_scheme) {
                Words::Apache => "RequestHeader set X-Forwarded-Proto \"https\"",
                _ => "nginx: proxy_set_header X-Forwarded-Proto $scheme; HAProxy: http-request set-header X-Forwarded-Proto https if { ssl_fc }",
            }
            .to_owned(),
        ],
    );
}

fn buffering(observed: &Observed<'_>, passed: &[Passed<'_>], findings: &mut Vec<Finding>) {
    let is_off = |passed: &&Passed<'_>| {
        let is_known = passed.delivery.doubts.buffers.is_none();
        is_known
            && observed.pools[passed.pool].proxy == ProxyKind::Nginx
            && !(passed.delivery.buffers_requests && passed.delivery.buffers_responses)
    };
    let off: Vec<&Passed<'_>> = passed.iter().filter(is_off).collect();
    push(
        findings,
        "buffering-off",
        Severity::Hint,
        &off,
        [
            "the proxy does not buffer requests or responses".to_owned(),
            "a slow client keeps a connection to Synapse busy for as long as its upload or download takes".to_owned(),
            match words(observed, &off) {
                Words::IngressNginx => "the annotations nginx.ingress.kubernetes.io/proxy-buffering: \"on\" (off by default) and proxy-request-buffering: \"on\"",
                _ => "leave proxy_buffering and proxy_request_buffering on",
            }
            .to_owned(),
        ],
    );
}

/// Whose settings the first of these requests meets.
fn words(observed: &Observed<'_>, passed: &[&Passed<'_>]) -> Words {
    let proxy = passed.first().and_then(|first| observed.configuration.proxies.get(observed.pools[first.pool].proxy_index));
    proxy.map_or(Words::Nginx, |proxy| proxy.words)
}

/// How each proxy is told the largest body.
fn body_setting(words: Words, bytes: u64) -> String {
    match words {
        Words::IngressNginx => format!("the annotation nginx.ingress.kubernetes.io/proxy-body-size: {}", size(bytes).to_ascii_lowercase()),
        Words::Caddy => format!("request_body {{ max_size {} }}", binary_size(bytes)),
        Words::Traefik => format!("maxRequestBodyBytes: {bytes} in the middleware buffering, or no such middleware"),
        Words::Envoy => format!("max_request_bytes: {bytes} in the filter buffer, or no such filter"),
        Words::Apache => format!("LimitRequestBody {bytes} in this virtual host or section"),
        _ => format!("client_max_body_size {}; in this server or location", size(bytes)),
    }
}

/// The setting of each proxy for the time until a response.
fn time_setting(words: Words) -> &'static str {
    match words {
        Words::Nginx => "proxy_read_timeout",
        Words::IngressNginx => "the annotation nginx.ingress.kubernetes.io/proxy-read-timeout",
        Words::Haproxy => "timeout server",
        Words::Caddy => "response_header_timeout and read_timeout of transport http, or write of the servers' timeouts",
        Words::Traefik => "responseHeaderTimeout of forwardingTimeouts, or writeTimeout of respondingTimeouts",
        Words::Apache => "timeout= of ProxyPass, or ProxyTimeout",
        Words::Envoy => "timeout of the route, which is 15 s by default; 0s for none",
        Words::Kubernetes => "timeouts of the rule",
    }
}

/// Rules that no example reaches although they match some.
fn shadowed(observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let mut known: Vec<SourceLocation> = Vec::new();
    for (index, view) in observed.views.iter().enumerate() {
        let requests: Vec<Request> = observed
            .observations
            .iter()
            .filter(|observation| observation.view == index)
            .map(|observation| keys::typical_request(observation.example.method, &observation.example.target, view.host.as_deref()))
            .collect();
        for rule in view.site.shadowed(&requests) {
            if known.contains(&rule.at) {
                continue;
            }
            known.push(rule.at.clone());
            let words = [
                format!("none of the tried requests reaches this location: {} takes all that it matches", rule.by),
                "nginx tries regular expressions in the order of the file, and the first match wins".to_owned(),
                "move the location up, or remove it".to_owned(),
            ];
            let finding = Finding::new("unreachable-location", Severity::Hint, Some(rule.at), words);
            findings.push(Finding { requests: rule.requests, ..finding });
        }
    }
}

/// `50M`, `1G`, `1000 bytes`
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}G", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// `50MiB`: in Caddy `50MB` are 50,000,000 bytes.
fn binary_size(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}MiB", bytes >> 20) } else { bytes.to_string() }
}

const UPLOAD: &str = "/_matrix/media/v3/upload";
const UPLOAD_DEFAULT: u64 = 50 << 20;
/// The time-out that clients give a sync.
const POLL_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_as_proxies_read_them() {
        assert_eq!([size(50 << 20), size(1 << 30), size(1500), size(2048)], ["50M", "1G", "1500", "2k"]);
    }
}
