//! Public deployments, rebuilt from their templates.

use super::{audit, main_process, pools, with_severity};

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
