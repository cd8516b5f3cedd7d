//! What `wsim configure` writes for the same cases.

use super::{audit, findings, folder, pools, run_in, wsim};

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
