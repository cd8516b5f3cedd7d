//! Prometheus' HTTP API: which series it has over a span of time.
//!
//! CPU and memory are read as they were scraped (a range selector in an instant query), because their times matter; from six hours on, and for everything
//! else, a range query gives a value for each of some instants.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use wsim_transport::{Client, ClientHeaders, Connector, Keep, OutgoingRequest, Target, TransportConfig};

use super::measure::{BUILD_INFO, MEMORY, METRICS};
use super::source::PrometheusConfig;
use super::targets::{CPU, SERVER_NAME};
use super::{PrometheusError, Series, TimeSpan, parse_answer};

/// A Prometheus.
pub(crate) struct Server {
    url: String,
    runtime: tokio::runtime::Runtime,
    client: Client,
    authorization: Option<Arc<str>>,
}

impl Server {
    pub(crate) fn connect(url: &str, config: &PrometheusConfig) -> Result<Self, PrometheusError> {
        let target: Target = url.parse()?;
        let url = target.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(PrometheusError::Start)?;
        let transport = TransportConfig {
            ca: config.ca.clone(),
            response_timeout: TIMEOUT,
            body_bytes_max: BODY_BYTES_MAX,
            keep_bytes_max: KEEP_BYTES_MAX,
            ..TransportConfig::default()
        };
        let unconnected = |source| PrometheusError::Connector { url: url.clone(), source };
        let connector = runtime.block_on(Connector::new(target, transport)).map_err(unconnected)?;
        let authorization = config.credentials.as_ref().map(authorization).transpose()?;
        Ok(Self { url, runtime, client: Client::new(connector), authorization })
    }

    /// All used series of the processes that are selected, and which processes of Synapse there are at all.
    pub(crate) fn series(&mut self, selection: &[(String, String)], span: TimeSpan) -> Result<Vec<Series>, PrometheusError> {
        // Whoever scrapes seldom has a sample before and one after.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(f64::MAX, |since| since.as_secs_f64());
        let wide = TimeSpan { start: span.start - MARGIN_SECONDS, end: (span.end + MARGIN_SECONDS).min(now.max(span.end)) };
        let matchers = matchers(selection);
        let counters = selector(&[CPU, MEMORY], &matchers);
        let mut all = if wide.seconds() <= RAW_SECONDS_MAX {
            self.raw(&counters, wide)?
        } else {
            self.at_steps(&counters, wide, wide.seconds() / STEPS_MAX)?
        };
        let others: Vec<&str> = METRICS.iter().copied().filter(|name| ![CPU, MEMORY, BUILD_INFO].contains(name)).collect();
        let step = (span.seconds() / COARSE_STEPS).max(1.0);
        all.extend(self.at_steps(&selector(&others, &matchers), wide, step)?);
        all.extend(self.at_steps(&selector(&[BUILD_INFO], ""), wide, step)?);
        if !selection.is_empty() {
            // Their identities tell what could be selected.
            all.extend(self.at_steps(&selector(&[CPU], ""), wide, step)?.into_iter().filter(|series| !has(series, selection)));
        }
        Ok(all)
    }

    /// Where else it has metrics of Synapse, and what to do, for an error.
    pub(crate) fn elsewhere(&mut self) -> String {
        let now = self.get(&format!("query?query={}", encoded(&selector(&[BUILD_INFO], ""))));
        if now.is_ok_and(|series| !series.is_empty()) {
            "; it has them now, so the log may be older than what Prometheus keeps (--storage.tsdb.retention.time), or its stamps are in another time zone (--tz)".to_owned()
        } else {
            "; let it scrape every process of Synapse (enable_metrics and a listener of type metrics: Synapse's docs/metrics-howto), or use `wsim record`".to_owned()
        }
    }

    fn raw(&mut self, selector: &str, span: TimeSpan) -> Result<Vec<Series>, PrometheusError> {
        let query = format!("{selector}[{:.0}s]", span.seconds().ceil());
        self.get(&format!("query?query={}&time={:.3}", encoded(&query), span.end))
    }

    /// At instants that end with the span: the last one must not be in the future, where a counter seems to stand still.
    fn at_steps(&mut self, selector: &str, span: TimeSpan, step: f64) -> Result<Vec<Series>, PrometheusError> {
        let span = TimeSpan { start: span.end - (span.seconds() / step).ceil() * step, ..span };
        self.get(&format!("query_range?query={}&start={:.3}&end={:.3}&step={step:.3}", encoded(selector), span.start, span.end))
    }

    fn get(&mut self, path: &str) -> Result<Vec<Series>, PrometheusError> {
        let request = OutgoingRequest {
            method: http::Method::GET,
            target: format!("/api/v1/{path}"),
            authorization: self.authorization.clone(),
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Body,
            client: ClientHeaders { accept_encoding: Some("gzip"), ..ClientHeaders::default() },
        };
        let url = || self.url.clone();
        let sent = self.runtime.block_on(self.client.send(&request));
        let response = sent.map_err(|failure| PrometheusError::Unreachable { url: url(), failure })?;
        let status = response.status;
        if matches!(status, 401 | 403) {
            return Err(PrometheusError::Denied { url: url(), status });
        }
        if response.cut {
            return Err(PrometheusError::TooMuch { url: url() });
        }
        match parse_answer(&response.body) {
            Ok(series) if status == 200 => Ok(series),
            Ok(_) => Err(PrometheusError::NotPrometheus { url: url(), status, why: String::new() }),
            Err((true, why)) if why.contains("too many samples") => Err(PrometheusError::TooMuch { url: url() }),
            Err((true, why)) => Err(PrometheusError::Refused { url: url(), why }),
            Err((false, why)) => Err(PrometheusError::NotPrometheus { url: url(), status, why: format!(": {why}") }),
        }
    }
}

fn has(series: &Series, selection: &[(String, String)]) -> bool {
    selection.iter().all(|(key, value)| series.labels.get(key) == Some(value))
}

/// `{__name__=~"(?:a|b)(?:_total)?",job="x"}`
fn selector(names: &[&str], matchers: &str) -> String {
    format!("{{__name__=~\"(?:{})(?:_total)?\"{matchers}}}", names.join("|"))
}

/// The labels that every series of a process has: the homeserver's name is not one of them.
fn matchers(selection: &[(String, String)]) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    selection.iter().filter(|(key, _)| key != SERVER_NAME).map(|(key, value)| format!(",{key}=\"{}\"", quoted(value))).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The header for the credentials in a file: `user:password`, a bearer token, or the header's whole value.
fn authorization(path: &PathBuf) -> Result<Arc<str>, PrometheusError> {
    let text = fs::read_to_string(path).map_err(|source| PrometheusError::Read { path: path.clone(), source })?;
    let text = text.trim();
    Ok(if text.starts_with("Bearer ") || text.starts_with("Basic ") {
        text.into()
    } else if text.contains(':') {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)).into()
    } else {
        format!("Bearer {text}").into()
    })
}

/// Before and after the span.
const MARGIN_SECONDS: f64 = 120.0;
/// Up to this length samples are read as they were scraped.
const RAW_SECONDS_MAX: f64 = 6.0 * 3600.0 + 2.0 * MARGIN_SECONDS;
/// Prometheus gives at most 11,000 values of a series.
const STEPS_MAX: f64 = 8000.0;
/// Values of a counter of which only the growth over the whole span is used.
const COARSE_STEPS: f64 = 24.0;
const TIMEOUT: Duration = Duration::from_secs(120);
const BODY_BYTES_MAX: u64 = 1 << 30;
const KEEP_BYTES_MAX: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// A server that gives the same answer to every request, and what it was asked.
    fn serving(status: &'static str, body: &'static str, requests: usize) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = move || {
            let mut asked = Vec::new();
            for _ in 0..requests {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                asked.push(String::from_utf8(head).unwrap());
                let length = body.len();
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
            }
            asked
        };
        (url, thread::spawn(serve))
    }

    fn connect(url: &str, credentials: Option<&str>) -> Server {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), credentials.unwrap_or_default()).unwrap();
        let credentials = credentials.map(|_| file.path().to_owned());
        Server::connect(url, &PrometheusConfig { credentials, ..PrometheusConfig::default() }).unwrap()
    }

    const ONE: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"process_cpu_seconds_total","job":"a"},"values":[[10,"1"],[20,"2"]]}]}}"#;

    #[test]
    fn counters_are_asked_for_as_scraped_and_the_rest_at_steps() {
        let (url, served) = serving("200 OK", ONE, 3);
        let mut server = connect(&format!("{url}/"), Some("me:secret\n"));
        let found = server.series(&[], TimeSpan { start: 1000.0, end: 1240.0 }).unwrap();
        assert_eq!((found.len(), found[0].samples.len()), (3, 2));
        let asked = served.join().unwrap();
        assert!(asked[0].starts_with("GET /api/v1/query?query=%7B%5F%5Fname"), "{}", asked[0]);
        assert!(asked[0].contains("%5B480s%5D&time=1360.000 "), "{}", asked[0]);
        assert!(asked[1].contains("/api/v1/query_range?") && asked[1].contains("&start=880.000&end=1360.000&step=10.000 "), "{}", asked[1]);
        assert!(asked[2].to_ascii_lowercase().contains("authorization: basic bwu6c2vjcmv0"), "{}", asked[2]);
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let error = |status, body, want: &str| {
            let (url, _served) = serving(status, body, 1);
            let error = connect(&url, None).series(&[], TimeSpan { start: 0.0, end: 1.0 }).unwrap_err().to_string();
            assert!(error.contains(want) && error.contains(&url), "{error}");
        };
        error("401 Unauthorized", "no", "--prometheus-credentials");
        error("200 OK", "<html>Grafana</html>", "is not the HTTP API of a Prometheus");
        error("404 Not Found", "nothing", "(status 404");
        error("400 Bad Request", r#"{"status":"error","error":"no such function"}"#, "refused a query: no such function");
        let url = "http://127.0.0.1:1";
        let refused = connect(url, None).series(&[], TimeSpan { start: 0.0, end: 1.0 }).unwrap_err().to_string();
        assert!(refused.contains("does not answer: connection refused"), "{refused}");
    }

    #[test]
    fn selections_are_quoted() {
        let selection = [("job".to_owned(), "a\"} or x\\".to_owned()), (SERVER_NAME.to_owned(), "x".to_owned())];
        assert_eq!(selector(&["m"], &matchers(&selection)), "{__name__=~\"(?:m)(?:_total)?\",job=\"a\\\"} or x\\\\\"}");
    }
}
