//! Folders of public deployments: scripts, templates, other programs' files and old copies lie beside the configuration.

use std::path::Path;

use super::{audit, findings, main_process, with_severity};

fn write(place: &Path, files: &[(&str, &str)]) -> (i32, serde_json::Value) {
    for (name, text) in files {
        let path = place.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    audit(&[place.to_str().unwrap()], &[])
}

const SITE: &str = "server { listen 443 ssl; server_name matrix.example.org; location ~ ^/(_matrix|_synapse/client) { proxy_pass http://127.0.0.1:8008; \
                    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; client_max_body_size 50M; proxy_read_timeout 600s; } }\n";
const MAIN: &str =
    "events {}\nhttp { include /etc/nginx/mime.types; include /etc/nginx/conf.d/*.conf; include /etc/nginx/sites-enabled/*; }\n";

#[test]
fn what_lies_beside_the_configuration_does_not_stop_the_audit() {
    let place = tempfile::tempdir().unwrap();
    let (status, json) = write(
        place.path(),
        &[
            ("etc/nginx/nginx.conf", MAIN),
            ("etc/nginx/sites-enabled/matrix", SITE),
            ("etc/fail2ban/jail.d/synapse.conf", "[synapse]\nenabled = true\nbackend = systemd\nmaxretry = 5\n"),
            ("setup.sh", "#!/bin/bash\ncat > nginx.conf <<EOF\nserver { location /_matrix { proxy_pass http://$HOST:8008; } }\nEOF\n"),
            ("other/setup.sh", "#!/bin/bash\necho /_matrix;\n"),
            ("ansible/tasks.yml", "- name: \"{{ item }}\"\n"),
            ("data/database.sqlite", "SQLite format 3\0 server { \"a\"location"),
            ("old/haproxy.cfg", "frontend a\n  bind :80\n  default_backend b\nbackend b\n  server s 127.0.0.1:8008\n"),
            ("livekit.yaml", "port: 7880\nredis:\n  address: redis:6379\n"),
        ],
    );
    assert_eq!((status, main_process(&json).contains("127.0.0.1:8008")), (0, true), "{:#?}", findings(&json));
    assert_eq!(json["not_evaluated"], 0);
    let notes = json["notes"].to_string();
    assert!(notes.contains("a script, not a configuration") && notes.contains("so are") && !notes.contains("tasks.yml"), "{notes}");
    assert_eq!(with_severity(&json, "error"), Vec::<String>::new());
}

#[test]
fn an_old_copy_that_cannot_be_parsed_is_named_and_the_rest_is_audited() {
    let place = tempfile::tempdir().unwrap();
    let files = [
        ("Caddyfile", "m.example.org {\n reverse_proxy /_matrix/* synapse:8008\n}\n"),
        ("Caddyfile.old", "m.example.org {\n reverse_proxy\n"),
    ];
    let (_, json) = write(place.path(), &files);
    assert!(main_process(&json).starts_with("synapse:8008"));
    assert!(findings(&json).iter().any(|finding| finding.starts_with("warning unreadable-file") && finding.ends_with("Caddyfile.old")));
}

#[test]
fn a_homeserver_with_an_identity_provider_is_no_template() {
    let place = tempfile::tempdir().unwrap();
    let homeserver = "server_name: example.org\nlisteners:\n - port: 8008\n   type: http\n   x_forwarded: true\n   bind_addresses: ['127.0.0.1']\n   \
                      resources: [{names: [client, federation]}]\noidc_providers:\n - idp_id: a\n   user_mapping_provider:\n     config:\n       \
                      localpart_template: \"{{ user.preferred_username }}\"\n       display_name_template: \"{{ user.name|capitalize }}\"\n";
    let (status, json) = write(place.path(), &[("homeserver.yaml", homeserver), ("nginx.conf", SITE)]);
    assert_eq!((status, main_process(&json)), (0, "by Synapse's listeners"), "{:#?}", findings(&json));
}

#[test]
fn labels_of_caddy_docker_proxy_are_read() {
    let place = tempfile::tempdir().unwrap();
    let compose = "services:\n  caddy:\n    image: lucaslorentz/caddy-docker-proxy:ci-alpine\n  synapse:\n    image: matrixdotorg/synapse\n    labels:\n      \
                   caddy: matrix.example.org\n      caddy.@worker.path_regexp: ^/_matrix/client/(r0|v3)/sync$$\n      \
                   caddy.0_reverse_proxy: '@worker worker:8083'\n      caddy.1_reverse_proxy: /_matrix/* {{upstreams 8008}}\n  \
                   element:\n    image: vectorim/element-web\n    labels: ['caddy=element.example.org', 'caddy.reverse_proxy={{upstreams 80}}']\n";
    let (status, json) = write(place.path(), &[("compose.yaml", compose)]);
    assert_eq!((status, main_process(&json).split(',').next().unwrap()), (0, "synapse:8008"), "{:#?}", findings(&json));
    let pools = super::pools(&json);
    assert!(matches!(pools.as_slice(), [(_, servers)] if *servers == ["worker:8083"]), "{pools:?}");
}

#[test]
fn a_page_for_administrators_is_no_homeserver_though_it_gets_every_request_of_its_host() {
    let place = tempfile::tempdir().unwrap();
    let site = "server { listen 443 ssl; server_name m.example.org; location /_matrix { proxy_pass http://synapse:8008; } location / { proxy_pass http://synapse:8008; } }\n";
    let admin = "server { listen 443 ssl; server_name admin.example.org; location / { proxy_pass http://synapse-admin:80; } }\n";
    let json = write(place.path(), &[("1.conf", site), ("2.conf", admin)]).1;
    assert!(main_process(&json).starts_with("synapse:8008"), "{}", main_process(&json));
}
