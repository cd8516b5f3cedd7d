//! Seeds: the first inputs of every target, from the repository's samples and test files, and from the program's own writers.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::endpoints::{EndpointId, table_for};
use super::matrix::Manifest;
use super::parquet::{self, Header};
use super::plan::{Preset, PresetConfig};
use super::replay::record::{LatencyHistogram, REQUEST_COLUMNS, Recorder};
use super::replay::{End, Outcome, Sink};
use super::trace::{Request, Trace};

/// Writes the seeds, one folder per target.
///
/// # Errors
/// A file of the repository cannot be read, or a seed cannot be written.
pub fn write_all(out: &Path) -> io::Result<()> {
    let mut seeds = Seeds { out, count: 0 };
    log_lines(&mut seeds)?;
    real_logs(&mut seeds)?;
    configurations(&mut seeds)?;
    reports(&mut seeds)?;
    tables(&mut seeds)?;
    for (target, text) in SHORT {
        seeds.add(&[target], text.as_bytes())?;
    }
    for preset in Preset::all() {
        if let Some(plan) = preset.plan(*preset.workers.start(), &PresetConfig::default()) {
            seeds.add(&["plan"], plan.to_toml().as_bytes())?;
        }
    }
    Ok(())
}

struct Seeds<'s> {
    out: &'s Path,
    count: usize,
}

impl Seeds<'_> {
    fn add(&mut self, targets: &[&str], bytes: &[u8]) -> io::Result<()> {
        self.count += 1;
        for target in targets {
            let folder = self.out.join(target);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(self.count.to_string()), bytes)?;
        }
        Ok(())
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder of the repository with one of these endings.
fn files(folder: &str, endings: &[&str]) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut rest) = (Vec::new(), vec![repository().join(folder)]);
    while let Some(folder) = rest.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                rest.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

const LINE_TARGETS: [&str; 21] = [
    "apache",
    "aws",
    "caddy",
    "collectors",
    "detect",
    "envoy",
    "haproxy",
    "haproxy_clf",
    "inferred",
    "json_dialects",
    "nginx_combined",
    "nginx_json",
    "nginx_json_guessed",
    "nginx_rich",
    "products",
    "redact",
    "squid",
    "synapse",
    "synapse_json",
    "traefik",
    "traefik_json",
];

/// Lines of the sample logs one by one, some behind the layers of collectors, and compressed.
fn log_lines(seeds: &mut Seeds<'_>) -> io::Result<()> {
    for path in files("samples", &[".log"])? {
        let log = fs::read(&path)?;
        for line in log.split(|byte| *byte == b'\n').take(LINES_EACH).filter(|line| !line.is_empty()) {
            seeds.add(&LINE_TARGETS, line)?;
            let text = String::from_utf8_lossy(line);
            let layered = [
                json!({"log": format!("{text}\n"), "stream": "stdout", "time": "2026-01-02T15:04:05.123456789Z"}).to_string(),
                json!({"MESSAGE": text, "__REALTIME_TIMESTAMP": "1767366245000000", "_SYSTEMD_UNIT": "matrix-synapse.service"}).to_string(),
                format!("<190>Jan  2 15:04:05 host nginx: {text}"),
                format!("nginx_1  | {text}"),
                format!("2026-01-02T15:04:05.123456789Z stdout F {text}"),
            ];
            for line in &layered[seeds.count % 5..][..1] {
                seeds.add(&["detect", "collectors"], line.as_bytes())?;
            }
        }
        let start = &log[..log.len().min(1500)];
        seeds.add(&["blocks", "compression", "classify", "request_target"], start)?;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(start)?;
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&start[..start.len().min(200)])?;
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&start[..start.len().min(200)])?;
        for bytes in [gzip.finish()?, xz.finish()?, bzip2.finish()?, zstd::bulk::compress(start, 1)?] {
            seeds.add(&["compression"], &bytes)?;
        }
        // A format and a line, divided as drivers::parts wants.
        let line = log.split(|byte| *byte == b'\n').next().unwrap_or_default();
        for (target, formats) in [("nginx_log_format", &NGINX_FORMATS[..]), ("apache_log_format", &APACHE_FORMATS[..])] {
            for format in formats {
                seeds.add(&[target], &[format.as_bytes(), line].join(&0xff))?;
                seeds.add(&["detect"], &[line, format.as_bytes()].join(&0xff))?;
            }
        }
    }
    Ok(())
}

/// Logs of real set-ups, the larger ones cut.
fn real_logs(seeds: &mut Seeds<'_>) -> io::Result<()> {
    for line in fs::read(repository().join("tests/logs/reported.txt"))?.split(|byte| *byte == b'\n').filter(|line| line.len() > 40) {
        seeds.add(&["aws", "detect", "envoy", "inferred", "json_dialects", "nginx_json_guessed", "products", "w3c"], line)?;
    }
    for line in fs::read(repository().join("tests/logs/every-format.txt"))?.split(|byte| *byte == b'\n').filter(|line| line.len() > 40) {
        seeds.add(&["collectors", "detect", "json_dialects", "squid"], line)?;
    }
    for (format, line) in LOG_FORMATS {
        seeds.add(&["log_format"], &[format.as_bytes(), line.as_bytes()].join(&0xff))?;
    }
    for path in files("tests/logs", &[".log"])? {
        let log = fs::read(&path)?;
        seeds.add(&["collectors", "detect"], &log[..log.len().min(3000)])?;
    }
    Ok(())
}

fn configurations(seeds: &mut Seeds<'_>) -> io::Result<()> {
    let kinds: [(&[&str], &[&str]); 6] = [
        (&[".conf"], &["audit_nginx", "audit_apache", "nginx_config", "audit_includes"]),
        (&[".cfg"], &["audit_haproxy", "audit_includes"]),
        (&["Caddyfile"], &["audit_caddy", "audit_includes"]),
        (&[".yaml", ".yml"], &["audit_yaml", "audit_kubernetes", "audit_envoy"]),
        (&[".map"], &["audit_maps", "own_table"]),
        (&[".toml"], &["plan"]),
    ];
    for (endings, targets) in kinds {
        for folder in ["tests/audit", "tests/cmd", "tests/cluster"] {
            for path in files(folder, endings)? {
                let text = fs::read(path)?;
                if text.len() <= SEED_BYTES_MAX {
                    seeds.add(targets, &text)?;
                }
            }
        }
    }
    // homeserver.yaml, a worker and a proxy in one input, divided by the byte that no text has.
    for folder in ["five-faults", "doubled-key", "main-app"] {
        let read = |name: &str| fs::read(format!("tests/audit/cases/{folder}/{name}")).unwrap_or_default();
        let worker = [read("typing1.yaml"), read("w1.yaml")].concat();
        seeds.add(&["audit_files"], &[read("homeserver.yaml"), worker, read("nginx.conf")].join(&0xff))?;
    }
    for path in files("samples", &["process-cpu.csv"])? {
        let text = fs::read(path)?;
        seeds.add(&["process_cpu"], &text[..text.len().min(1000)])?;
    }
    Ok(())
}

/// Reports of every command, with the first element of each list only; the world; histograms.
fn reports(seeds: &mut Seeds<'_>) -> io::Result<()> {
    for path in files("reports", &["report.json"])? {
        let report: Value = serde_json::from_slice(&fs::read(path)?)?;
        seeds.add(&["report_json"], shortened(report).to_string().as_bytes())?;
    }
    let mut world = Manifest::new("http://localhost", [7; 16]);
    world.server_name = "example.org".to_owned();
    world.copies.push(super::matrix::PopulationCopy {
        users: vec![super::matrix::User { key: "k".to_owned(), devices: vec![super::matrix::Device::default()], ..Default::default() }],
        rooms: vec![super::matrix::Room { key: "r".to_owned(), members: vec![0], ..Default::default() }],
        guest: Some("g".to_owned()),
    });
    seeds.add(&["world"], &serde_json::to_vec(&world)?)?;
    let mut times = LatencyHistogram::default();
    for ns in [1, 1000, 3_000_000, 7_200_000_000_000] {
        times.record(ns);
    }
    seeds.add(&["histogram"], &times.to_bytes())
}

fn shortened(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().take(1).map(shortened).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(|(key, value)| (key, shortened(value))).collect()),
        other => other,
    }
}

/// A trace, the requests of a replay as a table, and its interval log.
fn tables(seeds: &mut Seeds<'_>) -> io::Result<()> {
    let path = seeds.out.join("trace.parquet");
    for rows in [0, 3, 40] {
        let mut trace = Trace::new();
        let user = trace.names.intern(b"@alice:example.org");
        for row in 0..rows {
            trace.push(Request { arrival_us: 1_700_000_000_000_000 + row * 1000, user, status: 200, flags: 1, ..Request::default() });
        }
        trace.seal();
        let endpoints = super::endpoints::Classifier::new(
            &table_for(None).map_err(io::Error::other)?.table,
            &super::endpoints::ClassifierConfig::default(),
        );
        let endpoints = endpoints.map_err(io::Error::other)?.endpoints().iter().take(1).cloned().collect();
        let header = Header { schema: Header::SCHEMA.to_owned(), endpoints, extra: json!({}) };
        parquet::write(&trace, &header, &path).map_err(io::Error::other)?;
        seeds.add(&["parquet_trace", "parquet_table"], &fs::read(&path)?)?;
        fs::remove_file(&path)?;
    }
    let (log, table) = (Shared::default(), Shared::default());
    let columns = parquet::table_file::TableFile::new(table.clone(), &REQUEST_COLUMNS).map_err(io::Error::other)?;
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut recorder = Recorder::new(["client", "sync"]).with_interval_log(Box::new(log.clone()), began).with_requests(Box::new(columns));
    recorder.outcomes(&(0..4).map(outcome).collect::<Vec<_>>());
    let (_, written) = recorder.finish();
    written.map_err(io::Error::other)?;
    seeds.add(&["hlog"], &log.bytes())?;
    seeds.add(&["parquet_table"], &table.bytes())
}

fn outcome(number: u64) -> Outcome {
    let intended_ns = number * 1_000_000_000;
    Outcome {
        sent_ns: intended_ns + 1000,
        first_byte_ns: intended_ns + 2000,
        last_byte_ns: intended_ns + 3000,
        bytes: 10,
        original_us: 2000,
        endpoint: EndpointId(u16::from(number % 2 == 1)),
        status: 200,
        original_status: 200,
        ..Outcome::of_end(intended_ns, End::Completed)
    }
}

/// A file in memory that can be looked into after its writer has taken it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().map(|bytes| bytes.clone()).unwrap_or_default()
    }
}

impl parquet::table_file::TableOutput for Shared {
    fn write_tail(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Ok(mut file) = self.0.lock() {
            file.truncate(usize::try_from(offset).unwrap_or(usize::MAX));
            file.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(mut own) = self.0.lock() {
            own.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const LINES_EACH: usize = 25;
const SEED_BYTES_MAX: usize = 6000;
/// Format strings of HAProxy, Envoy and Apache, with a line of each.
const LOG_FORMATS: [(&str, &str); 4] = [
    (
        "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %hr %hs %{+Q}r",
        "::1:5 [02/Jan/2026:15:04:05.123] f b/s 0/0/1/2/3 200 8 ---- {a|b} \"GET / HTTP/1.1\"",
    ),
    ("{\"t\":\"%[date,utime(%F %T)]\",\"r\":\"%HM %HU\",\"s\":%ST}", "{\"t\":\"2026-01-02 15:04:05\",\"r\":\"GET /\",\"s\":200}"),
    ("[%START_TIME(%Y/%m/%d %H:%M:%S.%3f)%] %REQ(:METHOD)% %PATH(WQ)% %RESPONSE_CODE% %DURATION%", "[2026/01/02 15:04:05.123] GET / 200 7"),
    ("%{%a %b %e %H:%M:%S %Y}t %m %U%q %>s %{ms}T", "Fri Jan  2 15:04:05 2026 GET /?a 200 7"),
];

const NGINX_FORMATS: [&str; 3] = [
    r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#,
    r#"escape=json {"t":"$time_iso8601","r":"$request","s":$status,"rt":$request_time,"u":"$upstream_addr"}"#,
    r#"[$msec] $request_method $uri$is_args$args $status ${request_time}s"#,
];
const APACHE_FORMATS: [&str; 2] =
    [r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#, r#"%v:%p %{c}a %{%Y-%m-%dT%T}t.%{msec_frac}t "%m %U%q" %s %D %{ms}T"#];
const SHORT: [(&str, &str); 35] = [
    ("typed", "1h30m"),
    ("typed", "-2d"),
    ("typed", "2026-11-20T16:30:00+02:00"),
    ("typed", "Europe/Berlin"),
    ("typed", "p95 work < 500ms, p99 sync < 2s, busy < 70%"),
    ("typed", "127.0.0.1:8013=3"),
    ("typed", "https://matrix.test:8448/base"),
    ("typed", "sync=hash user"),
    ("processes", "python3\0-B\0-m\0synapse.app.generic_worker\0-c\0homeserver.yaml\0--config-path=w.yaml\0"),
    ("processes", "7 (a (b) c) S 1 1 1 0 -1 4194560 1 2 3 4 100 20 30 40 20 0 21 0 99 5 50 1\n"),
    (
        "metrics",
        "# HELP a b\nprocess_cpu_seconds_total{job=\"x\",index=\"1\"} 5.5 1764000000000\nsynapse_build_info{version=\"1\\\"2\"} 1\n# EOF\n",
    ),
    (
        "metrics",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"x\"},\"values\":[[1,\"2\"]]}]}}",
    ),
    (
        "sender_lines",
        "2026-11-20 16:53:58,317 - a - TX [b.org] {7} Sending transaction [7], (PDUs: 2, EDUs: 1)\n2026-11-20 16:54:18,317 - a - TX [b.org] {7} got 200 response\n{\"log\":\"TX [c.org:8448] Failed to send transaction: x\",\"time\":1763657700.5}\n",
    ),
    ("process_cpu", "epoch,process,cpu_seconds_total\n1,main,1.5\n2,main,2\n"),
    (
        "process_cpu",
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"synapse","instance":"a:1"},"values":[[1,"1"],[2,"3"]]}]}}"#,
    ),
    ("own_table", "matrix_synapse_workers_generic_worker_endpoints:\n  - ^/_matrix/client/(api/v1|r0|v3)/sync$\n"),
    ("own_table", "^/_matrix/client/(api/v1|r0|v3)/sync$ sync\n^/_matrix/federation/v1/ federation\n"),
    (
        "own_table",
        "<h3><a href=\"#x\"><code>synapse.app.generic_worker</code></a></h3>\n<pre><code># Sync requests\n^/_matrix/client/(r0|v3)/sync$\n</code></pre>\n<pre><code class=\"language-nginx\">x &amp; y\n</code></pre>\n",
    ),
    (
        "migrate",
        "server_name: a\nlisteners:\n  - port: 8008\n    type: http\n    resources: [{names: [client]}]\nredis:\n  enabled: false\nstart_pushers: false\n\0worker_app: synapse.app.synchrotron\nworker_name: w1\nworker_replication_port: 1\nworker_listeners: [{port: 1, type: http}]\n\0server {\n  location /_matrix {\n    proxy_pass http://a;\n  }\n}\nupstream synapse_main { server a; }\n",
    ),
    ("migrate", "{\"server_name\": \"a\", \"listeners\": [{\"port\": 1}]}\0\0"),
    (
        "audit_yaml",
        "services:\n  s:\n    labels:\n      - traefik.http.routers.r.rule=PathPrefix(`/_matrix`)\n      - traefik.http.services.s.loadbalancer.server.port=8008\n",
    ),
    ("audit_maps", "/_matrix a\n/_matrix/client/v3/sync b\n^/_matrix/(client|media)/ c\n"),
    ("http_response", "\0HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Upstream: a\r\n\r\n{}"),
    ("http_response", "\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    (
        "http_learn",
        "\0\0{\"next_batch\":\"s2\",\"rooms\":{\"join\":{\"!a:b\":{\"timeline\":{\"events\":[{\"event_id\":\"$e\"}],\"prev_batch\":\"p\"}}}}}",
    ),
    ("http_learn", "\x02\0{\"chunk\":[{\"event_id\":\"$x\"}],\"end\":\"t2\"}"),
    (
        "http_learn",
        "\x01\0{\"pos\":\"1\",\"rooms\":{\"!a:b\":{\"prev_batch\":\"x\",\"timeline\":[{\"event_id\":\"$e\"}]}},\"extensions\":{\"to_device\":{\"next_batch\":\"n\"}}}",
    ),
    ("emulate_request", "GET /_matrix/client/v3/sync?since=s1&timeout=30000\n"),
    ("emulate_request", "POST /_matrix/client/v3/createRoom\n{\"name\":\"n\",\"invite\":[\"@b:test.invalid\"]}"),
    ("emulate_request", "PUT /_matrix/client/v3/rooms/%21a%3Atest.invalid/send/m.room.message/1\n{\"body\":\"x\"}"),
    ("emulate_request", "POST /_matrix/client/v3/keys/upload\n{\"device_keys\":{}}"),
    ("patterns", "^/_matrix/(?<kind>client|media)/.*$"),
    ("http_response", "\x01\0\0\0\x04\0\0\0\0\0"),
    (
        "audit_yaml",
        "http:\n  routers:\n    a: {rule: 'PathPrefix(`/x`) && !Method(`GET`)', service: s}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://a:1'}]}}\n",
    ),
    (
        "audit_caddy",
        "{\"apps\":{\"http\":{\"servers\":{\"s\":{\"routes\":[{\"match\":[{\"path\":[\"/x*\"]}],\"handle\":[{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\"a:1\"}]}]}]}}}}}",
    ),
];
