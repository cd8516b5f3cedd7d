//! Small configurations from public deployments, each with its right answer.

use serde_json::Value;

use super::{assert_has, audit, findings, folder};
use crate::support::{run_in, wsim};

fn of(file: &str) -> (i32, Value) {
    audit(&[&format!("cases/{file}")], &[])
}

fn with_severity(json: &Value, severity: &str) -> Vec<String> {
    findings(json).into_iter().filter(|finding| finding.starts_with(severity)).collect()
}

fn main_process(json: &Value) -> &str {
    json["main"].as_str().unwrap()
}

/// Names and servers of the derived plan's pools.
fn pools(json: &Value) -> Vec<(String, Vec<String>)> {
    let plan = wsim::plan::Plan::from_toml(json["plan"].as_str().unwrap(), "plan.toml").unwrap();
    plan.pools.iter().map(|pool| (pool.name.clone(), pool.servers.clone())).collect()
}

#[test]
fn two_backslashes_in_a_bare_word_are_one() {
    let (status, json) = of("escaped-slash.conf");
    assert_eq!(status, 0, "{json:#}");
    assert!(main_process(&json).starts_with("127.0.0.1:8080"), "{}", main_process(&json));
    assert!(!findings(&json).iter().any(|finding| finding.contains("not-routed")), "{:#?}", findings(&json));
}

#[test]
fn a_site_for_another_program_is_not_taken_for_matrix() {
    let cases = [
        ("two-hosts.conf", "127.0.0.1:8008", "127.0.0.1:8083"),
        ("two-hosts.Caddyfile", "synapse:8008", "w1:8083"),
        ("two-hosts.cfg", "127.0.0.1:8008", "127.0.0.1:8083"),
        ("two-hosts.traefik.yaml", "synapse:8008", "w1:8083"),
    ];
    for (file, main, sync) in cases {
        let (status, json) = of(file);
        assert!(main_process(&json).starts_with(main), "{file}: {}", main_process(&json));
        assert_eq!(status, 0, "{file}: {:#?}", findings(&json));
        let pools = pools(&json);
        assert!(matches!(pools.as_slice(), [(_, servers)] if *servers == [sync]), "{file}: {pools:?}");
    }
}

#[test]
fn the_host_can_be_named() {
    for file in ["two-hosts.conf", "two-hosts.Caddyfile", "two-hosts.cfg", "two-hosts.traefik.yaml"] {
        let file = format!("cases/{file}");
        let json = audit(&[&file], &["--host", "matrix.example.com"]).1;
        assert!(main_process(&json).contains(":8008"), "{file}: {}", main_process(&json));
        let json = audit(&[&file], &["--host", "element.example.com"]).1;
        assert!(main_process(&json).contains(":80"), "{file}: {}", main_process(&json));
        assert!(!main_process(&json).contains(":8008"), "{file}: {}", main_process(&json));
    }
}

#[test]
fn a_site_for_other_servers_is_asked_their_requests_only() {
    let (status, json) = of("federation-port.conf");
    assert_eq!((status, with_severity(&json, "warning")), (0, Vec::new()));
    assert_eq!(pools(&json), [("sync".to_owned(), vec!["127.0.0.1:8083".to_owned()])]);
}

#[test]
fn a_statistics_page_is_no_matrix_site() {
    let (status, json) = of("statistics.cfg");
    assert_eq!((status, with_severity(&json, "warning")), (0, Vec::new()));
    assert!(main_process(&json).starts_with("127.0.0.1:8008"));
}

#[test]
fn keys_of_maps_counts_of_servers_and_replaced_headers_are_evaluated() {
    let (status, json) = of("get-map.cfg");
    assert_eq!((status, json["not_evaluated"].as_u64()), (0, Some(0)), "{:#?}", findings(&json));
    let (_, lines, _) = run_in(
        &folder(),
        &["audit", "cases/get-map.cfg", "--route", "GET /_matrix/client/versions", "--route", "POST /_matrix/client/versions"],
    );
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].contains("\treader (127.0.0.1:8083, 127.0.0.1:8084)\tcases/get-map.cfg:11: use_backend"), "{}", lines[0]);
    assert!(lines[1].contains("\tmain (127.0.0.1:8008)\t"), "{}", lines[1]);
}

#[test]
fn programs_beside_synapse_are_meant_to_take_their_requests() {
    for (file, note) in [("authentication-service.conf", "matrix-authentication-service"), ("report.conf", "moderation bot")] {
        let (status, json) = of(file);
        assert_eq!((status, with_severity(&json, "error")), (0, Vec::new()), "{file}");
        assert!(json["notes"].to_string().contains(note), "{file}: {}", json["notes"]);
    }
    let json = of("key-server.conf").1;
    assert_eq!(with_severity(&json, "error"), Vec::<String>::new());
    // Named, a server needs no recognition.
    let (status, json) = audit(&["damaged/cannot-serve.conf"], &["--not-synapse", "127.0.0.1:8083"]);
    assert_eq!(status, 0, "{:#?}", findings(&json));
}

#[test]
fn short_lived_tokens_make_a_key_by_token_useless() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("nginx.conf");
    let text = |key: &str| {
        format!(
            "upstream sync {{ hash {key} consistent; server 127.0.0.1:1; server 127.0.0.1:2; }}\nserver {{\n \
             location ~ ^/_matrix/client/(.*)/(login|logout|refresh) {{ proxy_pass http://127.0.0.1:8080; }}\n \
             location ~ ^/_matrix/client/(api/v1|r0|v3)/(sync|events|initialSync|rooms/[^/]+/initialSync)$ {{ proxy_pass http://sync; }}\n \
             location / {{ proxy_pass http://127.0.0.1:8008; }}\n}}\n"
        )
    };
    let found = |key: &str| {
        std::fs::write(&path, text(key)).unwrap();
        findings(&audit(&[path.to_str().unwrap()], &[]).1).into_iter().any(|finding| finding.contains("short-lived-tokens"))
    };
    assert!(found("$http_authorization"));
    assert!(!found("$remote_addr"));
}

#[test]
fn five_faults_of_synapses_files_are_five_errors() {
    let (status, json) = of("five-faults");
    let errors = with_severity(&json, "error");
    let expected = [
        "error instance-address cases/five-faults/homeserver.yaml:8",
        "error main-without-replication cases/five-faults/homeserver.yaml:6",
        "error no-main-instance cases/five-faults/homeserver.yaml:8",
        "error no-redis cases/five-faults/homeserver.yaml",
        "error no-secret cases/five-faults/homeserver.yaml:11",
    ];
    assert_eq!((status, errors.len()), (3, 5), "{errors:#?}");
    for finding in expected {
        let code = finding.split(' ').nth(1).unwrap();
        assert!(errors.iter().any(|error| error.contains(&format!(" {code} cases/five-faults/homeserver.yaml"))), "{finding}: {errors:#?}");
    }
    let refused = |code: &str| {
        let all = json["findings"].as_array().unwrap();
        all.iter().find(|finding| finding["code"] == code).unwrap()["refused_by"].clone()
    };
    assert_eq!(refused("no-main-instance"), serde_json::json!(["generic1", "typing1"]));
    assert_eq!(refused("no-secret"), serde_json::json!(["main", "generic1", "typing1"]));
    assert_eq!(refused("no-redis"), Value::Null, "Synapse starts, and its workers learn nothing");
}

#[test]
fn the_last_of_two_keys_counts_and_is_warned_of() {
    let files = ["cases/doubled-key/homeserver.yaml", "cases/doubled-key/w1.yaml"];
    for arguments in [&["cases/doubled-key"][..], &files[..]] {
        let (status, json) = audit(arguments, &[]);
        assert_eq!(status, 3);
        let found = findings(&json);
        assert_has(arguments, &found, "warning doubled-key cases/doubled-key/homeserver.yaml:5");
        assert_has(arguments, &found, "error no-redis cases/doubled-key/homeserver.yaml:3");
    }
}

#[test]
fn a_file_of_a_folder_that_cannot_be_read_is_named_and_yaml_is_never_a_log() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("cases/brace.conf"), place.path().join("nginx.conf")).unwrap();
    std::fs::write(place.path().join("homeserver.yaml"), "server_name: a\nlisteners: [\n").unwrap();
    std::fs::copy(folder().join("cases/site.apache.conf"), place.path().join("apache.conf")).unwrap();
    let json = audit(&[place.path().to_str().unwrap()], &[]).1;
    assert!(findings(&json).iter().any(|finding| finding.starts_with("warning unreadable-file") && finding.contains("homeserver.yaml")));
    assert!(json["notes"].to_string().contains("Apache's configuration is not read"), "{}", json["notes"]);
    let (status, _, error) = run_in(place.path(), &["audit", "homeserver.yaml"]);
    assert_eq!(status, 1);
    assert!(error.contains("homeserver.yaml:") && error.contains("not YAML"), "{error}");
}

#[test]
fn requests_of_rooms_are_those_of_the_specification() {
    let (status, json) = of("federation-rooms");
    assert_eq!((status, with_severity(&json, "error")), (0, Vec::new()), "{:#?}", json["findings"]);
}

#[test]
fn an_application_name_may_mean_the_main_process() {
    let (status, json) = of("main-app");
    assert_eq!(status, 3);
    assert_has(&["main-app"], &findings(&json), "error writer-not-mapped cases/main-app/homeserver.yaml:9");
    assert!(main_process(&json).contains("Synapse's listeners"), "{}", main_process(&json));
}

#[test]
fn a_brace_within_a_word_is_read() {
    let (_, lines, _) = run_in(&folder(), &["audit", "cases/brace.conf", "--route", "GET /_matrix/client/v3/rooms/!a:b/aliases"]);
    assert!(lines.contains("\t127.0.0.1:8083\tcases/brace.conf:2: location ~"), "{lines}");
}

#[test]
fn labels_of_a_compose_file_are_read() {
    let json = of("docker-compose.yml").1;
    assert!(main_process(&json).starts_with("synapse:8008"), "{}", main_process(&json));
}

#[test]
fn rules_and_files_in_config_maps_are_read_and_an_ingress_before_them_is_left_to_them() {
    let (status, json) = of("kubernetes/haproxy.yaml");
    assert_eq!((status, with_severity(&json, "error")), (0, Vec::new()), "{json:#}");
    assert_eq!(json["not_evaluated"].as_u64(), Some(0));
    assert!(main_process(&json).contains("Synapse's listeners"), "{}", main_process(&json));
    let servers = vec!["synapse-sync-0:8083".to_owned(), "synapse-sync-1:8083".to_owned()];
    assert_eq!(pools(&json), [("sync".to_owned(), servers)]);
    let notes = json["notes"].to_string();
    assert!(notes.contains("passed on to the proxy that haproxy-config configures"), "{notes}");
    let file = "cases/kubernetes/haproxy.yaml";
    let (_, lines, _) = run_in(&folder(), &["audit", file, "--route", "GET /_matrix/client/v3/sync"]);
    let rule = format!("{file}/haproxy-config/haproxy.cfg:8: use_backend sync if");
    assert!(lines.contains(&rule), "{lines}");
}

#[test]
fn an_ingress_routes_as_ingress_nginx_does() {
    let (status, json) = of("kubernetes/ingress.yaml");
    assert_eq!((status, with_severity(&json, "error")), (0, Vec::new()), "{json:#}");
    assert!(main_process(&json).starts_with("synapse:8008"), "{}", main_process(&json));
    assert_eq!(pools(&json), [("default-synapse-sync-8083".to_owned(), vec!["synapse-sync:8083".to_owned()])]);
    let found = findings(&json);
    assert!(found.iter().any(|finding| finding.contains("upload-too-large")), "{found:#?}");
    assert!(json["findings"].to_string().contains("nginx.ingress.kubernetes.io/proxy-body-size: 50m"), "{json:#}");
    let (_, lines, _) = run_in(&folder(), &["audit", "cases/kubernetes/ingress.yaml", "--route", "GET /_matrix/client/v3/sync"]);
    assert!(lines.contains("cases/kubernetes/ingress.yaml:21: - path: /_matrix/client/(r0|v3)/sync$"), "{lines}");
}

#[test]
fn the_order_of_an_http_route_is_that_of_its_gateway() {
    let route = |file: &str| run_in(&folder(), &["audit", file, "--route", "GET /_matrix/client/v3/sync?since=s1"]).1;
    assert!(route("cases/kubernetes/httproute.yaml").contains(" (synapse:8008)\t"), "{}", route("cases/kubernetes/httproute.yaml"));
    let place = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder().join("cases/kubernetes/httproute.yaml")).unwrap();
    let of_class = |class: &str| {
        let path = place.path().join(format!("{class}.yaml"));
        std::fs::write(&path, text.replace("gatewayClassName: istio", &format!("gatewayClassName: {class}"))).unwrap();
        route(path.to_str().unwrap())
    };
    assert!(of_class("envoy-gateway").contains(" (synapse-sync:8083)\t"), "{}", of_class("envoy-gateway"));
    assert!(of_class("other").contains("\tunknown: "), "{}", of_class("other"));
}

#[test]
fn limits_of_caddy_and_traefik_are_checked() {
    for (arguments, words) in [
        (&["cases/limits/Caddyfile"][..], ["request_body { max_size 50MiB }", "waits 15.0 s"]),
        (&["cases/limits/dynamic.yaml", "cases/limits/traefik.yml"], ["maxRequestBodyBytes: 52428800", "waits 15.0 s"]),
    ] {
        let json = audit(arguments, &[]).1;
        let text = json["findings"].to_string();
        for (code, words) in ["upload-too-large", "timeout-below-poll"].into_iter().zip(words) {
            assert!(text.contains(code) && text.contains(words), "{arguments:?}: {code}: {text}");
        }
    }
    // The entry point's own time-out counts where no transport has a shorter one.
    let place = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder().join("cases/limits/Caddyfile")).unwrap();
    std::fs::write(place.path().join("Caddyfile"), text.replace("response_header_timeout 15s", "")).unwrap();
    let (_, json, _) = run_in(place.path(), &["audit", "Caddyfile", "--json"]);
    assert!(json.contains("waits 20.0 s"), "{json}");
}

#[test]
fn what_is_not_read_is_named_with_a_usage_error() {
    let error = |arguments: &[&str]| {
        let (status, _, error) = run_in(&folder(), &[&["audit"], arguments].concat());
        assert_eq!(status, 2, "{arguments:?}: {error}");
        error
    };
    assert!(error(&["cases/site.apache.conf"]).contains("Apache's configuration is not read"));
    assert!(error(&["cases/no-such.conf"]).contains("no such file"));
    assert!(error(&["damaged/README.md"]).contains("none of the files is a known configuration"));
}

#[test]
fn writers_in_containers_are_reached_by_their_names() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let (status, text, error) = run_in(
        &folder(),
        &[
            "configure",
            "cases/containers.toml",
            "--main",
            "synapse:8008",
            "--main-replication",
            "synapse:9093",
            "--out",
            out.to_str().unwrap(),
        ],
    );
    assert_eq!(status, 0, "{error}");
    assert!(text.contains("several machines or in containers"), "{text}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let workers = read("synapse/workers.yaml");
    assert!(workers.contains("event_persister1:\n    host: event_persister1\n") && !workers.contains("127.0.0.1"), "{workers}");
    assert!(read("synapse/workers/event_persister1.yaml").contains("bind_addresses: ['0.0.0.0']"));
    assert!(read("synapse/homeserver-additions.yaml").contains("host: redis"));
    assert!(!read("proxy/nginx/wsim-maps.conf").contains("127.0.0.1:18100"));
}

#[test]
fn a_socket_has_the_mode_that_synapse_reads() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let (status, _, error) = run_in(&folder(), &["configure", "cases/sockets.toml", "--quiet", "--out", out.to_str().unwrap()]);
    assert_eq!(status, 0, "{error}");
    let worker = std::fs::read_dir(out.join("synapse/workers")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(worker).unwrap();
    assert!(text.contains("path: /run/matrix-synapse/generic1.sock") && !text.contains("0o"), "{text}");
}

#[test]
fn localhost_and_its_number_clash() {
    let place = tempfile::tempdir().unwrap();
    let (status, _, error) = run_in(&folder(), &["configure", "cases/same-port.toml", "--out", place.path().join("out").to_str().unwrap()]);
    assert_ne!(status, 0);
    assert!(error.contains("a1 and b1 would both listen at 127.0.0.1:8081"), "{error}");
}

#[test]
fn what_configure_writes_for_nginx_is_audited_as_it_lies() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let written = wsim().args(["configure", "generic:2", "--proxy", "nginx", "--quiet", "--out"]).arg(&out).output().unwrap();
    assert!(written.status.success());
    let (status, json) = audit(&[out.to_str().unwrap()], &["--fail-on", "error"]);
    assert_eq!((status, json["not_evaluated"].as_u64()), (0, Some(0)), "{:#?}", findings(&json));
    assert_eq!(pools(&json).len(), 1);
}

#[test]
fn nothing_is_inferred_from_files_that_are_not_there() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("site.conf");
    std::fs::write(&path, "server {\n listen 443 ssl;\n include /nonexistent/snippets/matrix.conf;\n location / { root /srv; }\n}\n")
        .unwrap();
    let (status, json) = audit(&[path.to_str().unwrap()], &[]);
    assert_eq!(status, 3, "nothing could be evaluated");
    assert!(findings(&json).iter().any(|finding| finding.starts_with("error nothing-evaluated")), "{:#?}", findings(&json));
    std::fs::write(
        &path,
        "server {\n location ~ ^/_matrix/ { proxy_pass http://127.0.0.1:8008; }\n include /nonexistent/ssl-params.conf;\n}\n",
    )
    .unwrap();
    let (status, json) = audit(&[path.to_str().unwrap()], &[]);
    assert_eq!((status, json["not_evaluated"].as_u64()), (0, Some(0)));
}

#[test]
fn a_folder_with_nginx_conf_means_what_it_includes() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("nginx.conf", "events {}\nhttp { include /nonexistent/sites-enabled/*; }\n");
    write("sites-enabled/matrix", "server { location /_matrix { proxy_pass http://127.0.0.1:8008; } }\n");
    write("sites-available/old.conf", "server { location /_matrix { proxy_pass http://127.0.0.1:9999; } }\n");
    let json = audit(&[place.path().to_str().unwrap()], &[]).1;
    assert!(main_process(&json).starts_with("127.0.0.1:8008"), "{}", main_process(&json));
    assert!(!json.to_string().contains("9999"));
}

#[test]
fn many_requests_are_read_from_standard_input() {
    let output = wsim()
        .current_dir(folder())
        .args(["audit", "cases/two-hosts.conf", "--route", "-", "--json"])
        .write_stdin("GET /_matrix/client/v3/sync\nPOST /_matrix/client/v3/logout\nPUT /_matrix/federation/v1/send/t1\n")
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let routes = json["routes"].as_array().unwrap();
    let shown: Vec<(&str, &str, &str, &str)> = routes
        .iter()
        .map(|route| {
            let text = |key: &str| route[key].as_str().unwrap_or("-");
            (text("request"), text("destination"), text("rule"), text("served_by"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("GET /_matrix/client/v3/sync", "sync", "cases/two-hosts.conf:5", "any worker"),
            ("POST /_matrix/client/v3/logout", "127.0.0.1:8008", "cases/two-hosts.conf:6", "the main process"),
            ("PUT /_matrix/federation/v1/send/t1", "127.0.0.1:8008", "cases/two-hosts.conf:6", "any worker"),
        ]
    );
    let (status, _, error) = run_in(&folder(), &["audit", "cases/two-hosts.conf", "--route", "sync"]);
    assert_eq!(status, 2);
    assert!(error.contains("is not METHOD PATH"), "{error}");
}

#[test]
fn what_every_proxy_needs_is_checked() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let homeserver = "server_name: a\nmax_upload_size: 100M\nlisteners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [client, federation]}]}]\n";
    std::fs::write(path("homeserver.yaml"), homeserver).unwrap();
    let site = "server {\n listen 443 ssl;\n client_max_body_size 10M;\n proxy_buffering off;\n proxy_read_timeout 20s;\n location ~ ^/_matrix/ { proxy_pass http://127.0.0.1:8008; }\n location ~ ^/_matrix/media/ { proxy_pass http://127.0.0.1:8008; }\n}\n";
    std::fs::write(path("nginx.conf"), site).unwrap();
    let found = |site: &str, homeserver: &str| {
        std::fs::write(path("nginx.conf"), site).unwrap();
        std::fs::write(path("homeserver.yaml"), homeserver).unwrap();
        findings(&audit(&[&path("nginx.conf"), &path("homeserver.yaml")], &[]).1)
    };
    let damaged = found(site, homeserver);
    for (severity, code) in [
        ("warning", "upload-too-large"),
        ("warning", "timeout-below-poll"),
        ("warning", "no-forwarded-for"),
        ("hint", "unreachable-location"),
        ("hint", "no-forwarded-proto"),
        ("hint", "buffering-off"),
    ] {
        assert!(damaged.iter().any(|finding| finding.starts_with(&format!("{severity} {code} "))), "{code}: {damaged:#?}");
    }
    let sound = site
        .replace("10M", "100M")
        .replace("proxy_buffering off", "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme")
        .replace("20s", "60s")
        .replace(" location ~ ^/_matrix/media/ { proxy_pass http://127.0.0.1:8008; }\n", "");
    let repaired = found(&sound, homeserver);
    assert!(!repaired.iter().any(|finding| finding.starts_with("warning")), "{repaired:#?}");
    let off = found(&sound, &homeserver.replace("x_forwarded: true, ", ""));
    assert!(off.iter().any(|finding| finding.starts_with("warning x-forwarded-off")), "{off:#?}");
}

#[test]
fn public_deployments_are_audited_rightly() {
    // The file, the main process, the errors, and some of the pools.
    let cases: [(&str, &str, &[&str], &[&str]); 8] = [
        ("docker-image.conf", "localhost:8080,", &[], &["synchrotron", "client_reader", "event_creator", "media_repository"]),
        ("docker-image-sockets.conf", "unix:/run/main_public.sock,", &[], &["synchrotron", "client_reader", "event_creator"]),
        (
            "ansible-one-of-each.conf",
            "matrix-synapse:8008, matrix-synapse:8048,",
            &[],
            &["generic_workers_upstream", "media_repository_workers_upstream"],
        ),
        (
            "ansible-specialised.conf",
            "matrix-synapse:8008, matrix-synapse:8048,",
            &[],
            &["room_workers_upstream", "sync_workers_upstream", "federation_reader_workers_upstream"],
        ),
        // Its maps send /messages of one room to several servers, as their comment says.
        (
            "ess.cfg",
            "_synapse-http._tcp.ess-synapse-main.",
            &["error room-split deployments/ess.cfg:105"],
            &["synapse-synchrotron", "synapse-initial-synchrotron", "synapse-event-creator", "synapse-federation-reader"],
        ),
        ("sytest.cfg", "127.0.0.1:8801,", &[], &["synchrotron", "client_reader", "federation_reader"]),
        ("two-hosts.Caddyfile", "127.0.0.1:8008,", &[], &["127-0-0-1-8083-127-0-0-1-8084", "127-0-0-1-8086"]),
        ("two-hosts.traefik.yaml", "synapse:8008,", &[], &["sync", "inbound"]),
    ];
    for (file, main, errors, expected) in cases {
        let (_, json) = audit(&[&format!("deployments/{file}")], &[]);
        assert!(main_process(&json).starts_with(main), "{file}: {}", main_process(&json));
        assert_eq!(with_severity(&json, "error"), errors, "{file}");
        assert_eq!(json["not_evaluated"], 0, "{file}");
        let pools = pools(&json);
        for name in expected {
            assert!(pools.iter().any(|(own, _)| own == name), "{file} lacks {name}: {pools:?}");
        }
    }
}

#[test]
fn sites_that_nothing_tells_apart_are_not_guessed() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let site = |name: &str, port: u16| {
        format!("server {{ listen 443 ssl; server_name {name}; location / {{ proxy_pass http://127.0.0.1:{port}; }} }}\n")
    };
    std::fs::write(path("nginx.conf"), site("element.example.com", 8080) + &site("chat.example.com", 9000)).unwrap();
    let (status, json) = audit(&[&path("nginx.conf")], &[]);
    let errors = with_severity(&json, "error");
    assert_eq!((status, errors.len(), json["tried"].as_u64()), (3, 1, Some(0)), "{errors:#?}");
    assert!(errors[0].contains("nothing-evaluated"), "{errors:#?}");
    let homeserver =
        "server_name: a\nlisteners: [{port: 9000, type: http, x_forwarded: true, resources: [{names: [client, federation]}]}]\n";
    std::fs::write(path("homeserver.yaml"), homeserver).unwrap();
    let (status, json) = audit(&[&path("nginx.conf"), &path("homeserver.yaml")], &[]);
    assert_eq!((status, main_process(&json)), (0, "by Synapse's listeners"));
    let (status, json) = audit(&[&path("nginx.conf")], &["--host", "chat.example.com"]);
    assert!(status == 0 && main_process(&json).starts_with("127.0.0.1:9000"), "{}", main_process(&json));
}
