//! The proxies' languages as the programs read them.

use serde_json::Value;

use super::{audit, findings, folder, main_process, of, pools, run_in, with_severity, wsim};

#[test]
fn two_backslashes_in_a_bare_word_are_one() {
    let (status, json) = of("escaped-slash.conf");
    assert_eq!(status, 0, "{json:#}");
    assert!(main_process(&json).starts_with("127.0.0.1:8080"), "{}", main_process(&json));
    assert!(!findings(&json).iter().any(|finding| finding.contains("not-routed")), "{:#?}", findings(&json));
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
fn what_is_not_read_is_named_with_a_usage_error() {
    let error = |arguments: &[&str]| {
        let (status, _, error) = run_in(&folder(), &[&["audit"], arguments].concat());
        assert_eq!(status, 2, "{arguments:?}: {error}");
        error
    };
    assert!(error(&["cases/no-such.conf"]).contains("no such file"));
    assert!(error(&["damaged/README.md"]).contains("none of the files is a known configuration"));
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
fn apache_is_read() {
    let (status, json) = of("apache/site.conf");
    assert_eq!((status, json["not_evaluated"].as_u64()), (0, Some(0)), "{:#?}", findings(&json));
    assert!(main_process(&json).starts_with("127.0.0.1:8008"), "{}", main_process(&json));
    assert_eq!(pools(&json), [("sync".to_owned(), vec!["127.0.0.1:8083".to_owned()])]);
    let (status, json) = of("apache/without-nocanon.conf");
    assert!(status == 3 && findings(&json).iter().any(|finding| finding.starts_with("error path-rewritten")), "{:#?}", findings(&json));
    let (_, lines, _) = run_in(&folder(), &["audit", "cases/apache/site.conf", "--route", "GET /_matrix/client/v3/sync"]);
    assert!(lines.contains("\tsync (127.0.0.1:8083)\tcases/apache/site.conf:9: ProxyPassMatch"), "{lines}");
}

#[test]
fn envoy_is_read() {
    let (status, json) = of("envoy/envoy.yaml");
    assert_eq!((status, json["not_evaluated"].as_u64()), (0, Some(0)), "{:#?}", findings(&json));
    assert!(main_process(&json).starts_with("synapse:8008"), "{}", main_process(&json));
    let found = findings(&json);
    assert!(found.iter().any(|finding| finding == "warning timeout-below-poll cases/envoy/envoy.yaml:16"), "{found:#?}");
}
