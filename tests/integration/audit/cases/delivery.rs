//! How requests are passed on.

use super::{audit, findings, folder, of, run_in};

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
fn what_a_missing_file_may_say_is_not_known() {
    let (_, json) = of("missing-include.conf");
    let found = findings(&json);
    for code in ["no-forwarded-for", "no-forwarded-proto", "upload-too-large", "timeout-below-poll"] {
        assert!(!found.iter().any(|finding| finding.contains(code)), "{code}: {found:#?}");
    }
    let texts = json["findings"].to_string();
    assert!(
        texts.contains(
            "how these requests are passed on is not known: the size of bodies, time-outs, X-Forwarded-For, X-Forwarded-Proto and buffering"
        ),
        "{texts}"
    );
}
