//! `wsim audit`: each damaged configuration gives its finding, well-known configurations give their known weaknesses, a sound one gives
//! no finding, and everything that `wsim configure` writes is read back as the plan it was written from.

mod cases;

use std::path::{Path, PathBuf};

use serde_json::Value;
use wsim::endpoints::{Classifier, ClassifierConfig, table_for};
use wsim::plan::{CheckedPlan, Plan};

use crate::support::wsim;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit")
}

/// Runs the command on files of `tests/audit/` and returns the exit status and the JSON report.
fn audit(files: &[&str], more_arguments: &[&str]) -> (i32, Value) {
    let output = wsim()
        .current_dir(folder())
        .arg("audit")
        .args(files)
        .args(["--json", "--synapse-version", "1.157"])
        .args(more_arguments)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{files:?}: {error}: {stderr}"));
    (output.status.code().unwrap(), json)
}

/// `severity code place` of each finding.
fn findings(json: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
    json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {} {}", text(f, "severity"), text(f, "code"), text(f, "place")))
        .collect()
}

fn assert_has(files: &[&str], found: &[String], expected: &str) {
    assert!(found.iter().any(|finding| finding == expected), "{files:?} lacks {expected:?}: {found:#?}");
}

#[test]
fn every_damaged_file_gives_its_finding_at_the_right_line() {
    let synapse = ["synapse/homeserver.yaml", "synapse/typing1.yaml", "synapse/pusher1.yaml"];
    let cases: &[(&[&str], &str)] = &[
        (&["damaged/cannot-serve.conf"], "error cannot-serve damaged/cannot-serve.conf:4"),
        (&["damaged/wrong-method.conf"], "error wrong-method damaged/wrong-method.conf:5"),
        (&["damaged/versions-missing.conf"], "warning served-by-main damaged/versions-missing.conf:3"),
        (&["damaged/several-writers.conf"], "error several-writers damaged/several-writers.conf:5"),
        (&["damaged/writer-unknown.conf"], "warning writer-unknown damaged/writer-unknown.conf:4"),
        (&["damaged/user-split.conf"], "warning user-split damaged/user-split.conf:1"),
        (&["damaged/room-split.conf"], "error room-split damaged/room-split.conf:1"),
        (&["damaged/least-conn-parked.conf"], "warning least-conn-parked damaged/least-conn-parked.conf:1"),
        (&["damaged/empty-key.conf"], "warning empty-key damaged/empty-key.conf:1"),
        (&["damaged/no-zone.conf"], "warning no-zone damaged/no-zone.conf:4"),
        (&["damaged/path-rewritten.conf"], "error path-rewritten damaged/path-rewritten.conf:2"),
        (&["damaged/not-evaluated.conf"], "hint not-evaluated damaged/not-evaluated.conf:2"),
        (&["damaged/haproxy-user-split.cfg"], "warning user-split damaged/haproxy-user-split.cfg:10"),
        (&["damaged/caddy-cannot-serve.Caddyfile"], "error cannot-serve damaged/caddy-cannot-serve.Caddyfile:3"),
        (&["damaged/traefik-cannot-serve.yaml"], "error cannot-serve damaged/traefik-cannot-serve.yaml:4"),
        (&["damaged/not-on-writer.conf", synapse[0], synapse[1], synapse[2]], "error not-on-writer damaged/not-on-writer.conf:4"),
        (&["damaged/user-split.conf", synapse[0], synapse[1], synapse[2]], "error missing-resource synapse/typing1.yaml:4"),
        (&synapse, "error several-writers synapse/homeserver.yaml:13"),
        (&synapse, "error writer-not-mapped synapse/homeserver.yaml:13"),
        (&synapse, "error duty-of-nobody synapse/homeserver.yaml:14"),
        (&synapse, "error no-redis synapse/homeserver.yaml:7"),
        (&synapse, "error missing-resource synapse/typing1.yaml:1"),
        (&synapse, "warning deprecated-app synapse/pusher1.yaml:1"),
        (&synapse, "warning deprecated-setting synapse/homeserver.yaml:15"),
    ];
    for (files, expected) in cases {
        assert_has(files, &findings(&audit(files, &[]).1), expected);
    }
}

#[test]
fn a_repaired_file_no_longer_gives_the_finding() {
    let cases = [
        ("damaged/user-split.conf", "user-split", "upstream syncs {", "upstream syncs { hash $http_authorization;"),
        ("damaged/least-conn-parked.conf", "least-conn-parked", "least_conn;", "hash $http_authorization consistent;"),
        ("damaged/empty-key.conf", "empty-key", "$http_x_forwarded_for", "$http_authorization"),
        ("damaged/no-zone.conf", "no-zone", "least_conn;", "least_conn; zone events 64k;"),
        ("damaged/room-split.conf", "room-split", "upstream readers {", "upstream readers { hash $uri;"),
        ("damaged/path-rewritten.conf", "path-rewritten", "8008/_matrix/;", "8008;"),
        ("damaged/several-writers.conf", "several-writers", "server 127.0.0.1:8084;", ""),
        ("damaged/cannot-serve.conf", "cannot-serve", "/_matrix/client/ {", "/_matrix/federation/v1/event/ {"),
    ];
    for (file, code, damaged, repaired) in cases {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        assert!(text.contains(damaged), "{file}");
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("nginx.conf");
        std::fs::write(&path, text.replace(damaged, repaired)).unwrap();
        let (_, json) = audit(&[path.to_str().unwrap()], &[]);
        assert!(!findings(&json).iter().any(|finding| finding.contains(code)), "{file}: {:#?}", findings(&json));
    }
}

#[test]
fn well_known_configurations_have_their_known_weaknesses() {
    // Synapse's own example routes correctly but is only part of a configuration.
    let (status, json) = audit(&["synapse-document.conf"], &[]);
    let found = findings(&json);
    assert_eq!(status, 0, "{found:#?}");
    assert!(found.iter().all(|finding| finding.starts_with("hint")), "{found:#?}");
    assert!(found.iter().any(|finding| finding.contains("not-routed")), "{found:#?}");
    let plan = Plan::from_toml(json["plan"].as_str().unwrap(), "plan.toml").unwrap();
    let pools: Vec<(&str, &str, Option<&str>, usize)> =
        plan.pools.iter().map(|pool| (pool.name.as_str(), pool.balance.as_str(), pool.key.as_deref(), pool.servers.len())).collect();
    assert_eq!(pools, [("synapse_initial_sync", "hash consistent", Some("user"), 2), ("synapse_sync", "hash consistent", Some("user"), 4)]);

    // The Docker image balances everything by round robin.
    let (status, json) = audit(&["docker-image.conf"], &[]);
    let found = findings(&json);
    assert_eq!(status, 3);
    for expected in ["warning user-split docker-image.conf:5", "error room-split docker-image.conf:10", "hint no-zone docker-image.conf:5"]
    {
        assert_has(&["docker-image.conf"], &found, expected);
    }

    // The Ansible playbook uses an endpoint table of 2021 and hashes a header that may be missing.
    let (_, json) = audit(&["ansible-playbook.conf"], &[]);
    let found = findings(&json);
    assert!(found.iter().any(|finding| finding.starts_with("warning older-table")), "{found:#?}");
    assert_has(&["ansible-playbook.conf"], &found, "warning empty-key ansible-playbook.conf:5");
    let older = json["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "older-table").unwrap();
    assert!(older["what"].as_str().unwrap().contains("Synapse 1.3"), "{older}");
}

/// Asserts that the audit of a folder gives an equivalent plan and nothing worse than a hint.
fn assert_audit_gives_plan(files: &Path, plan: &str) {
    let files = files.to_str().unwrap();
    let (status, json) = audit(&[files], &["--fail-on", "warning"]);
    assert_eq!(status, 0, "{:#?}", json["findings"]);
    assert_eq!(json["not_evaluated"], 0);
    let (expected, derived) =
        (Plan::from_toml(plan, "expected").unwrap(), Plan::from_toml(json["plan"].as_str().unwrap(), "derived").unwrap());
    let classifier = Classifier::new(&table_for(Some("1.157")).unwrap().table, &ClassifierConfig::default()).unwrap();
    for endpoint in classifier.endpoints().iter().filter(|endpoint| !endpoint.internal) {
        assert_eq!(destination(&derived, endpoint), destination(&expected, endpoint), "{endpoint:?}\n{}", json["plan"].as_str().unwrap());
    }
    assert_eq!(derived.stream_writers, expected.stream_writers);
    assert_eq!(derived.background_roles, expected.background_roles);
}

/// The servers, rule and key of the pool that serves an endpoint, or the stream whose writer serves it.
fn destination(plan: &CheckedPlan, endpoint: &wsim::endpoints::Endpoint) -> String {
    match plan.route(endpoint) {
        wsim::plan::Destination::Main => "main".to_owned(),
        wsim::plan::Destination::Writer(stream) => format!("writer of {stream}"),
        wsim::plan::Destination::Pool(index) => {
            let pool = &plan.pools[index];
            format!("{:?} {:?}", pool.servers, plan.rule(index))
        }
    }
}

#[test]
fn a_sound_configuration_gives_its_plan_and_nothing_to_fix() {
    let plan = std::fs::read_to_string(folder().join("sound/plan.toml")).unwrap();
    assert_audit_gives_plan(&folder().join("sound/files"), &plan);
}

#[test]
fn the_exit_status_depends_on_severity_and_fail_on() {
    let status = |arguments: &[&str]| wsim().current_dir(folder()).arg("audit").args(arguments).output().unwrap();
    let run = status(&["damaged/user-split.conf", "--quiet"]);
    assert_eq!((run.status.code(), run.stdout.is_empty()), (Some(0), true));
    assert_eq!(status(&["damaged/user-split.conf", "--quiet", "--fail-on", "warning"]).status.code(), Some(3));
    assert_eq!(status(&["damaged/cannot-serve.conf", "--quiet", "--fail-on", "never"]).status.code(), Some(0));
    assert_eq!(status(&["damaged/README.md"]).status.code(), Some(2));
    assert_eq!(status(&["damaged/missing.conf"]).status.code(), Some(2));
}

#[test]
fn logs_show_which_requests_reached_the_wrong_process() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("access.log");
    let line = |second: u32, request: &str, status: u16, upstream: &str| {
        format!(
            "203.0.113.7 - - [02/Jan/2026:15:04:{second:02} +0000] \"{request} HTTP/1.1\" {status} 12 \"-\" \"a\" rt=0.010 ua=\"{upstream}\" us=\"{status}\" urt=\"0.010\"\n"
        )
    };
    let mut text = String::new();
    for second in 0..20 {
        text += &line(second, "GET /_matrix/client/v3/sync?since=s1", 200, "127.0.0.1:8008");
        text += &line(second, "POST /_matrix/client/v3/logout", 404, "127.0.0.1:8083");
        text += &line(second, "GET /_matrix/client/v3/sync?since=s1", 200, "127.0.0.1:8083");
    }
    std::fs::write(&log, text).unwrap();
    let format = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" rt=$request_time ua=\"$upstream_addr\" us=\"$upstream_status\" urt=\"$upstream_response_time\"";
    let (_, json) = audit(&["damaged/cannot-serve.conf", log.to_str().unwrap()], &["--log-format", format]);
    assert_eq!(json["logs"]["placed"], 60);
    let strays: Vec<(&str, &str, u64, u64)> = json["logs"]["strays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (s["code"].as_str().unwrap(), s["group"].as_str().unwrap(), s["requests"].as_u64().unwrap(), s["refused"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(strays, [("cannot-serve", "client_other", 20, 20), ("served-by-main", "sync", 20, 0)]);
}

/// Runs `wsim configure` and audits its files: nothing to fix, and every endpoint is routed as the plan says.
fn assert_configured_plan_is_read_back(proxy: &str, plan: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let files = scratch.path().join("files");
    let written = wsim().arg("configure").arg(plan).args(["--proxy", proxy, "--quiet", "--out"]).arg(&files).output().unwrap();
    assert!(written.status.success(), "{proxy} {}: {}", plan.display(), String::from_utf8_lossy(&written.stderr));
    let place = |path: &str| files.join(path).to_str().unwrap().to_owned();
    let mut arguments = Vec::new();
    if proxy == "nginx" {
        // The example site includes the locations from the folder where an administrator would put them.
        let site = files.join("proxy/nginx/example-site.conf");
        let text = std::fs::read_to_string(&site).unwrap().replace("/etc/nginx/snippets/", &place("proxy/nginx/"));
        std::fs::write(&site, text).unwrap();
        arguments.extend([place("proxy/nginx/wsim-maps.conf"), place("proxy/nginx/example-site.conf")]);
    }
    arguments.extend(match proxy {
        "haproxy" => vec![place("proxy/haproxy/haproxy.cfg")],
        "caddy" => vec![place("proxy/caddy/Caddyfile")],
        "apache" => vec![place("proxy/apache/wsim.conf")],
        "traefik" => vec![place("proxy/traefik/static-additions.yaml"), place("proxy/traefik/dynamic.yaml")],
        _ => Vec::new(),
    });
    arguments.push(place("synapse/workers.yaml"));
    if let Ok(workers) = std::fs::read_dir(files.join("synapse/workers")) {
        arguments.extend(workers.map(|worker| worker.unwrap().path().to_str().unwrap().to_owned()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (status, json) = audit(&arguments, &["--fail-on", "error"]);
    assert_eq!(status, 0, "{proxy} {}: {:#?}", plan.display(), json["findings"]);
    assert_eq!(json["not_evaluated"], 0, "{proxy} {}", plan.display());
    // The audit must report what the plan itself does: it spreads users and rooms over several workers, or counts waiting syncs as load.
    let stem = plan.file_stem().unwrap().to_str().unwrap();
    let intended: &[&str] = match stem.rsplit_once('-') {
        Some(("round-robin" | "generic", "2" | "3")) => &["user-split", "room-split"],
        Some(("least-conn", _)) => &["user-split", "room-split", "least-conn-parked"],
        _ => &[],
    };
    let warnings: Vec<String> = findings(&json).into_iter().filter(|finding| finding.starts_with("warning")).collect();
    // Apache has no keys: users and rooms are spread, whatever the plan says.
    let intended: &[&str] = if proxy == "apache" { &["user-split", "least-conn-parked"] } else { intended };
    let unexpected: Vec<&String> = warnings.iter().filter(|finding| !intended.iter().any(|code| finding.contains(code))).collect();
    assert!(unexpected.is_empty(), "{proxy} {stem}: {unexpected:#?}");
    assert!(proxy == "apache" || warnings.is_empty() == intended.is_empty(), "{proxy} {stem}: {warnings:#?}");
    let expected = Plan::from_toml(&std::fs::read_to_string(files.join("plan.toml")).unwrap(), "expected").unwrap();
    let derived = Plan::from_toml(json["plan"].as_str().unwrap(), "derived").unwrap();
    let classifier = Classifier::new(&table_for(Some("1.157")).unwrap().table, &ClassifierConfig::default()).unwrap();
    // The proxy rejects requests to the administration interface, so the audit cannot know which process would serve them.
    let open = |pattern: &str| !pattern.contains("/_synapse/admin");
    // Of rooms' messages all go to one server, which Apache cannot do: they stay on the main process, as the output of configure says.
    let is_possible = |group: &str| proxy != "apache" || group != "pagination";
    for endpoint in classifier.endpoints().iter().filter(|endpoint| !endpoint.internal && endpoint.pattern.as_deref().is_some_and(open)) {
        if !is_possible(&endpoint.group) {
            continue;
        }
        let (derived, expected) = (destination(&derived, endpoint), destination(&expected, endpoint));
        assert_eq!(derived, expected, "{proxy} {}: {endpoint:?}\n{}", plan.display(), json["plan"].as_str().unwrap());
    }
}

#[test]
fn audit_reads_back_what_configure_writes_for_nginx() {
    each_plan(|plan| assert_configured_plan_is_read_back("nginx", plan));
}

#[test]
fn audit_reads_back_what_configure_writes_for_haproxy() {
    each_plan(|plan| assert_configured_plan_is_read_back("haproxy", plan));
}

/// Calls `test` with every plan of `tests/cluster/plans`.
fn each_plan(test: impl Fn(&Path)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/plans");
    let mut plans: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    plans.sort();
    assert!(plans.len() > 5);
    plans.iter().filter(|plan| plan.extension().is_some_and(|extension| extension == "toml")).for_each(|plan| test(plan));
}

#[test]
fn audit_reads_back_what_configure_writes_for_caddy() {
    each_plan(|plan| assert_configured_plan_is_read_back("caddy", plan));
}

#[test]
fn audit_reads_back_what_configure_writes_for_traefik() {
    each_plan(|plan| assert_configured_plan_is_read_back("traefik", plan));
}

#[test]
fn audit_reads_back_what_configure_writes_for_apache() {
    each_plan(|plan| assert_configured_plan_is_read_back("apache", plan));
}

/// Pools that take the requests of some clients are found by trying the words of the files.
#[test]
fn pools_of_some_clients_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let pool = |name: &str, port: u16, endpoints: &str, list: &str| {
        format!("[[pool]]\nname = \"{name}\"\nendpoints = [{endpoints}]\n{list}\nservers = [\"127.0.0.1:{port}\"]\n")
    };
    let lists = [
        ("bridge", "appservices = [\"@_telegram_*\", \"@_irc_*\"]"),
        ("bot", "users = [\"@bot:a.org\"]"),
        ("programs", "agents = [\"mautrix-*\", \"Element X\"]"),
        ("lan", "addresses = [\"10.0.0.0/8\", \"2001:db8::/32\"]"),
        ("tokens", "tokens = [\"mct_*\"]"),
    ];
    let mut plan = "name = \"some clients\"\nsynapse = \"1.157\"\n".to_owned();
    for (port, (name, list)) in (8101..).zip(lists) {
        plan += &pool(name, port, "\"sync\", \"event_sending\"", list);
    }
    plan += &pool("sync", 8201, "\"sync\"", "");
    std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
    for proxy in ["nginx", "haproxy", "caddy"] {
        let run = |arguments: &[&str]| {
            let (code, out, error) = crate::support::run_in(folder.path(), arguments);
            assert_eq!(code, 0, "{proxy}: {out}{error}");
        };
        run(&["configure", "plan.toml", "--proxy", proxy, "--out", proxy, "--quiet"]);
        let site = "events {}\nhttp { include nginx/proxy/nginx/wsim-maps.conf; server { listen 80; include nginx/proxy/nginx/wsim-locations.conf; } }\n";
        std::fs::write(folder.path().join("nginx.conf"), site).unwrap();
        let file = match proxy {
            "nginx" => "nginx.conf",
            "haproxy" => "haproxy/proxy/haproxy/haproxy.cfg",
            _ => "caddy/proxy/caddy/Caddyfile",
        };
        let out = format!("{proxy}.toml");
        run(&["audit", file, "--plan-out", &out, "--synapse-version", "1.157", "--fail-on", "never", "--quiet"]);
        let text = std::fs::read_to_string(folder.path().join(&out)).unwrap();
        let read = Plan::from_toml(&text, &out).unwrap();
        for (port, (_, list)) in (8101..).zip(lists) {
            let found = read
                .pools
                .iter()
                .find(|pool| pool.servers == [format!("127.0.0.1:{port}")])
                .unwrap_or_else(|| panic!("{proxy}: no {list}: {text}"));
            let mut given: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            given.sort();
            let mut own: Vec<String> = found
                .client_lists()
                .iter()
                .flat_map(|(kind, own)| {
                    assert!(own.is_empty() || list.starts_with(kind), "{proxy}: {list} became {kind}");
                    own.to_vec()
                })
                .collect();
            own.sort();
            assert_eq!(own, given, "{proxy}: {text}");
            let groups: Vec<String> = found.endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
            assert_eq!(groups, ["Group(\"event_sending\")", "Group(\"sync\")"], "{proxy}: {list}");
        }
    }
}
