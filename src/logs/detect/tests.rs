//! Tests of the choice of a format.

use super::*;
use crate::Line;

const NGINX: &[u8] = include_bytes!("../../../samples/nginx-combined.log");
const RICH: &[u8] = include_bytes!("../../../samples/nginx-rich.log");
const APACHE: &[u8] = include_bytes!("../../../samples/apache-combined.log");
const TIMED: &[u8] = include_bytes!("../../../samples/apache-timed.log");
const HAPROXY: &[u8] = include_bytes!("../../../samples/haproxy.log");
const TRAEFIK: &[u8] = include_bytes!("../../../samples/traefik.log");
const RICH_FORMAT: &str = r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status user=$uhash grp=$grp rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id"#;

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}

fn found(text: &[u8]) -> Detection {
    chosen(text, &DetectConfig::default())
}

fn chosen(text: &[u8], config: &DetectConfig) -> Detection {
    match detect(&lines(text), config) {
        Ok(detection) => detection,
        Err(error) => panic!("{error}"),
    }
}

fn rejected(text: &[u8], config: &DetectConfig) -> String {
    match detect(&lines(text), config) {
        Ok(detection) => panic!("{}", detection.reason),
        Err(error) => error.to_string(),
    }
}

/// Number of requests, and the meaning of their stamps.
fn requests(detection: &mut Detection, text: &[u8]) -> (usize, Option<StampMeaning>) {
    let mut meaning = None;
    let mut requests = 0;
    for line in lines(text) {
        if let Line::Request(record) = detection.parser.parse(line) {
            meaning = record.stamp.map(|stamp| stamp.meaning);
            requests += 1;
        }
    }
    (requests, meaning)
}

#[test]
fn every_sample_is_recognised_and_read_completely() {
    let (start, end) = (Some(StampMeaning::Start), Some(StampMeaning::End));
    for (text, name, meaning) in [
        (NGINX, "nginx combined", end),
        (RICH, "nginx combined", end),
        (APACHE, "apache combined", start),
        (TIMED, "apache combined", start),
        (HAPROXY, "haproxy", start),
        (TRAEFIK, "traefik", start),
    ] {
        let mut detection = found(text);
        let all = lines(text).len();
        assert_eq!(detection.name, name);
        assert!(detection.reason.contains(&format!("{all} of {all} sampled lines")), "{}", detection.reason);
        assert_eq!(requests(&mut detection, text), (all, meaning), "{name}");
    }
}

#[test]
fn an_inferred_format_reads_what_the_real_one_reads() {
    let mut inferred = found(RICH);
    let mut real = chosen(RICH, &DetectConfig { log_format: Some(RICH_FORMAT.to_owned()), ..DetectConfig::default() });
    for line in lines(RICH) {
        assert_eq!(inferred.parser.parse(line), real.parser.parse(line));
    }
    assert!(inferred.reason.contains("rt=$request_time"), "{}", inferred.reason);
}

#[test]
fn an_assumption_between_nginx_and_apache_is_stated() {
    let line = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 412 "-" "curl""#;
    let detection = found(line);
    let note = detection.stamp_note.unwrap();
    assert!(note.contains("end of a request") && note.contains("assumption") && note.contains("--format apache-combined"), "{note}");
    let vhost = [b"matrix.example.org:443 ", &line[..]].concat();
    assert_eq!(found(&vhost).name, "apache vhost combined");
    let vhost = [b"matrix.example.org ", &line[..]].concat();
    assert_eq!(found(&vhost).name, "nginx vhost combined");
}

#[test]
fn escapes_and_missing_counts_distinguish_nginx_from_apache() {
    let head = r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1""#;
    for (tail, name) in [
        (r#"200 412 "-" "\x22q\x22""#, "nginx combined"),
        (r#"200 412 "-" "caf\xC3\xA9""#, "nginx combined"),
        (r#"499 0 "-" "a""#, "nginx combined"),
        (r#"200 412 "-" "\"q\"""#, "apache combined"),
        (r#"200 412 "-" "caf\xc3\xa9""#, "apache combined"),
        (r#"304 - "-" "a""#, "apache combined"),
    ] {
        let line = format!("{head} {tail}");
        assert_eq!(found(line.as_bytes()).name, name, "{tail}");
    }
}

#[test]
fn the_users_statement_counts_more_than_the_lines() {
    let mut stamped = chosen(NGINX, &DetectConfig { stamp: Some(StampMeaning::Start), ..DetectConfig::default() });
    assert_eq!(requests(&mut stamped, NGINX).1, Some(StampMeaning::Start));
    let mut apache = chosen(NGINX, &DetectConfig { format: Some(Format::ApacheCombined), ..DetectConfig::default() });
    assert_eq!(apache.name, "apache combined");
    assert_eq!(requests(&mut apache, NGINX).1, Some(StampMeaning::Start));
    let widened = chosen(RICH, &DetectConfig { format: Some(Format::NginxCombined), ..DetectConfig::default() });
    assert!(widened.reason.contains("50 of 50"), "{}", widened.reason);
    let wrong = chosen(NGINX, &DetectConfig { format: Some(Format::Haproxy), ..DetectConfig::default() });
    assert!(wrong.reason.contains("0 of 51 sampled lines"), "{}", wrong.reason);
}

#[test]
fn an_expression_shows_its_server() {
    let choose = |expression: &str| DetectConfig { log_format: Some(expression.to_owned()), ..DetectConfig::default() };
    assert_eq!(chosen(NGINX, &choose(nginx::COMBINED)).name, "nginx log_format");
    assert_eq!(chosen(APACHE, &choose("combined")).name, "apache LogFormat");
    assert_eq!(chosen(b"{}", &choose(r#"{"u":"$request_uri"}"#)).name, "nginx json");
    assert!(rejected(NGINX, &choose("%h %")).starts_with("--log-format: "));
}

#[test]
fn a_configuration_names_the_format_of_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    std::fs::write(&path, format!("http {{ log_format rich '{RICH_FORMAT}'; access_log /x/rich.log rich; access_log /x/a.log; }}"))
        .unwrap();
    let config = Arc::new(NginxConfig::read(&path).unwrap());
    let choose = |log: &str| DetectConfig { nginx_config: Some(Arc::clone(&config)), log: Some(log.into()), ..DetectConfig::default() };
    assert_eq!(chosen(RICH, &choose("/y/rich.log.1")).name, "nginx log_format rich");
    assert_eq!(chosen(NGINX, &choose("a.log")).name, "nginx log_format combined");
    let empty = DetectConfig { nginx_config: Some(Arc::default()), ..DetectConfig::default() };
    assert!(rejected(NGINX, &empty).starts_with("--nginx-config: "));
}

#[test]
fn error_logs_and_empty_files_hold_no_requests() {
    for (text, name) in [
        (&b"2026/11/20 16:53:31 [notice] 20797#20797: nginx/1.22.1\n2026/11/20 16:53:31 [info] 1#1: x"[..], "nginx error log"),
        (b"[Fri Nov 20 16:53:32.557839 2026] [mpm_event:notice] [pid 1:tid 2] AH00489: x", "apache error log"),
        (b"", "empty"),
        (b"\n  \n", "empty"),
    ] {
        let mut detection = found(text);
        assert_eq!((detection.name.clone(), requests(&mut detection, text).0), (name.to_owned(), 0));
        assert!(detection.reason.contains("no"), "{}", detection.reason);
    }
}

#[test]
fn a_synapse_log_is_recognised_by_few_or_no_requests() {
    let other = "2026-07-01 09:15:42,118 - synapse.storage.databases.main - 12 - INFO - main - x\n".repeat(50);
    assert_eq!(found(other.as_bytes()).name, "synapse");
    let request = r#"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 12 - INFO - GET-1 - 127.0.0.1 - 8008 - {None} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 12B 200 "GET /_matrix/client/versions HTTP/1.1" "curl" [0 dbevts]"#;
    let detection = found(format!("{other}{request}").as_bytes());
    assert_eq!(detection.reason, "synapse: requests in 1 of 51 sampled lines of a Synapse log");
}

#[test]
fn json_is_recognised_by_its_keys() {
    let caddy = br#"{"level":"info","ts":1767366245.123456,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"203.0.113.7","proto":"HTTP/2.0","method":"GET","host":"matrix.example.org","uri":"/","headers":{}},"duration":30.000612,"size":412,"status":200}"#;
    let traefik = br#"{"ClientHost":"203.0.113.7","DownstreamStatus":200,"Duration":30001482113,"RequestMethod":"GET","RequestPath":"/","StartUTC":"2026-01-02T15:04:05.123456789Z"}"#;
    let nginx = br#"{"ts":"1795193615.628","remote_addr":"127.10.0.1","method":"GET","uri":"/","status":200,"request_time":0.003,"host":"synapse.example.org"}"#;
    let synapse = br#"{"log":"Server starting","namespace":"synapse.app.homeserver","level":"INFO","time":1767366245.12,"request":null}"#;
    for (line, name) in [(&caddy[..], "caddy"), (traefik, "traefik"), (nginx, "nginx"), (synapse, "synapse")] {
        assert!(found(line).name.starts_with(name), "{}: {}", name, found(line).name);
        assert!(found(line).name.contains("json"), "{}", found(line).name);
    }
}

#[test]
fn lines_in_no_known_format_are_rejected() {
    let error = rejected(b"hello\nworld", &DetectConfig::default());
    assert!(
        error.contains("no known log format fits the sampled lines; no line has the text of a request") && error.contains("--format"),
        "{error}"
    );
    assert!(!error.contains("hello"));
    assert_eq!(rejected(b"\x89PNG\r\n\x1a\n\0", &DetectConfig::default()), "not a text log (looks like PNG)");
}

#[test]
fn every_name_is_a_format_with_a_parser() {
    for (name, format) in FORMATS {
        assert_eq!(Format::from_name(name), Some(format));
        let detection = chosen(b"x", &DetectConfig { format: Some(format), ..DetectConfig::default() });
        assert_eq!(detection.parser.fork().name(), detection.name);
    }
    assert_eq!(Format::from_name("auto"), None);
}
