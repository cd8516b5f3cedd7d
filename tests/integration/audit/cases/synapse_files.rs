//! Synapse's own files.

use serde_json::Value;

use super::{assert_has, audit, findings, folder, main_process, of, run_in, with_severity};

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
    std::fs::write(place.path().join("compose.yaml"), "services: {synapse: {image: matrixdotorg/synapse}}\n").unwrap();
    let json = audit(&[place.path().to_str().unwrap()], &[]).1;
    assert!(findings(&json).iter().any(|finding| finding.starts_with("warning unreadable-file") && finding.contains("homeserver.yaml")));
    assert!(json["notes"].to_string().contains("a compose file without labels"), "{}", json["notes"]);
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
