//! Which site is Matrix, which server is the main process, and which programs are none of Synapse's.

use super::{audit, findings, main_process, of, pools, with_severity};

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

#[test]
fn the_authentication_service_is_never_the_main_process() {
    // It gets its own requests, the rest of its host, and a site of its own with one rule for everything.
    for (file, main) in [
        ("site.Caddyfile", "synapse:8008"),
        ("accounts.Caddyfile", "127.0.0.1:8008"),
        ("everything-else.conf", "synapse:8008"),
        ("haproxy.cfg", "synapse:8008"),
        ("traefik.yaml", "synapse:8008"),
    ] {
        let json = of(&format!("authentication/{file}")).1;
        assert!(main_process(&json).starts_with(main), "{file}: {}", main_process(&json));
        assert!(json["notes"].to_string().contains("what matrix-authentication-service serves"), "{file}: {}", json["notes"]);
        let wrong: Vec<String> = json["findings"].as_array().unwrap().iter().map(|found| found["what"].to_string()).collect();
        assert!(!wrong.iter().any(|what| what.contains(":8080") || what.contains(":8090")), "{file}: {wrong:#?}");
    }
}

#[test]
fn several_workers_are_not_the_main_process() {
    let (status, json) = of("all-to-workers.conf");
    assert!(main_process(&json).contains("spread over worker1:8083 and worker2:8083"), "{}", main_process(&json));
    assert!(status == 3 && findings(&json).iter().any(|finding| finding.starts_with("error cannot-serve ")), "{:#?}", findings(&json));
}

#[test]
fn processes_with_one_port_are_told_apart_by_their_hosts() {
    for case in ["one-port/haproxy.yaml", "one-port/nginx", "one-port/caddy", "one-port/traefik"] {
        let (_, json) = of(case);
        assert_eq!(main_process(&json), "by Synapse's listeners", "{case}");
        let wrong: Vec<String> =
            findings(&json).into_iter().filter(|finding| !finding.starts_with("hint") && !finding.contains("served-by-main")).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{case}: {:#}", json["findings"]);
        let plan = wsim::plan::Plan::from_toml(json["plan"].as_str().unwrap(), "plan.toml").unwrap();
        assert!(plan.stream_writers.contains_key("typing") && plan.pools.len() == 1, "{case}: {plan:?}");
    }
}
