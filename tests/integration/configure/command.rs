//! The command `wsim configure`: its output, the files that it writes, and the files that it does not replace.

use std::path::Path;

use serde_json::Value;

use crate::support::run_in;

fn configure(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run_in(folder, &[&["configure"][..], arguments].concat())
}

#[test]
fn json_lists_the_written_files_and_the_secret_is_private_and_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = configure(folder.path(), &["stream-writers:4", "--out", "out", "--json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["schema"], "wsim.configuration/1");
    let files: Vec<&str> = report["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    let expected = [
        "CHECKLIST.md",
        "plan.toml",
        "proxy/nginx/example-site.conf",
        "proxy/nginx/wsim-locations.conf",
        "proxy/nginx/wsim-maps.conf",
        "synapse/homeserver-additions.yaml",
        "synapse/log.yaml",
        "synapse/replication-secret.yaml",
        "synapse/workers.yaml",
        "systemd/matrix-synapse-worker@.service",
        "systemd/matrix-synapse.service",
        "systemd/matrix-synapse.target",
    ];
    for file in expected {
        assert!(files.contains(&file), "{file}: {files:?}");
    }
    for file in &files {
        assert!(folder.path().join("out").join(file).is_file(), "{file}");
    }
    let secret = folder.path().join("out/synapse/replication-secret.yaml");
    let text = std::fs::read_to_string(&secret).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix("worker_replication_secret: ")).unwrap();
    assert_eq!(value.len(), 64);
    assert!(!out.contains(value));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for file in files.iter().filter(|file| !file.ends_with("replication-secret.yaml")) {
        assert!(!std::fs::read_to_string(folder.path().join("out").join(file)).unwrap().contains(value), "{file} repeats the secret");
    }
}

#[test]
fn the_written_plan_gives_the_same_files_again() {
    let folder = tempfile::tempdir().unwrap();
    for proxy in ["nginx", "haproxy", "caddy", "traefik", "apache"] {
        let (first, second) = (format!("first-{proxy}"), format!("second-{proxy}"));
        let (code, _, error) = configure(folder.path(), &["docker-image:8", "--proxy", proxy, "--out", &first, "--quiet"]);
        assert_eq!(code, 0, "{error}");
        let plan = format!("{first}/plan.toml");
        let (code, _, error) = configure(folder.path(), &[&plan, "--out", &second, "--quiet"]);
        assert_eq!(code, 0, "{error}");
        for part in ["plan.toml", "synapse/workers.yaml", &format!("proxy/{proxy}")] {
            assert_eq!(read(&folder.path().join(&first).join(part)), read(&folder.path().join(&second).join(part)), "{proxy}: {part}");
        }
    }
}

/// The text of a file, or of every file in a folder.
fn read(path: &Path) -> Vec<String> {
    if path.is_file() {
        return vec![std::fs::read_to_string(path).unwrap()];
    }
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn an_earlier_configuration_is_replaced_only_with_force_and_quiet_prints_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["sync-split:2", "--out", "out", "--quiet"];
    assert_eq!(configure(folder.path(), &words), (0, String::new(), String::new()));
    let (code, out, error) = configure(folder.path(), &words);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("out already exists") && error.contains("--force"), "{error}");
    let (code, ..) = configure(folder.path(), &["generic:1", "--out", "out", "--quiet", "--force"]);
    assert_eq!(code, 0);
    assert!(std::fs::read_to_string(folder.path().join("out/plan.toml")).unwrap().contains("generic 1"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// The files for a release use the setting names of that release and none that it does not know.
#[test]
fn settings_have_the_names_of_their_release() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"
name = "duties"
synapse = "1.157"
[[pool]]
name = "generic"
endpoints = ["sync", "client"]
workers = 1
[stream_writers]
events = "persister1"
[duties]
update_user_directory_from_worker = "directory1"
notify_appservices_from_worker = "bridges1"
pusher_instances = "pusher1"
federation_sender_instances = "sender1"
"#;
    std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
    let settings = |release: &str| {
        let out = format!("out-{release}");
        let (code, _, error) = configure(folder.path(), &["plan.toml", "--synapse-version", release, "--out", &out, "--quiet"]);
        assert_eq!(code, 0, "{release}: {error}");
        let synapse = folder.path().join(out).join("synapse");
        let uncommented = |text: String| text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
        uncommented(
            [read(&synapse.join("workers.yaml")), read(&synapse.join("workers")), read(&synapse.join("homeserver-additions.yaml"))]
                .concat()
                .concat(),
        )
    };
    let cases: [(&str, &[&str], &[&str]); 4] = [
        (
            "1.18",
            &[
                "synapse.app.user_dir",
                "synapse.app.pusher",
                "update_user_directory: false",
                "notify_appservices: false",
                "start_pushers: false",
                "send_federation: false",
                "worker_replication_http_port: 9093",
                "worker_main_http_uri: ",
            ],
            &["update_user_directory_from_worker", "\n  main:", "request_id_header"],
        ),
        (
            "1.33",
            &["worker_app: synapse.app.appservice", "pusher_instances: [pusher1]"],
            &["start_pushers", "synapse.app.pusher", "_from_worker"],
        ),
        (
            "1.73",
            &["update_user_directory_from_worker: directory1", "worker_replication_http_port", "request_id_header"],
            &["worker_main_http_uri", "synapse.app.user_dir", "\n  main:"],
        ),
        (
            "1.157",
            &["\n  main:", "notify_appservices_from_worker: bridges1", "federation_sender_instances: [sender1]"],
            &["worker_replication_http_port"],
        ),
    ];
    for (release, present, missing) in cases {
        let text = settings(release);
        for word in present {
            assert!(text.contains(word), "{release} lacks {word}:\n{text}");
        }
        for word in missing {
            assert!(!text.contains(word), "{release} has {word}:\n{text}");
        }
    }
}
