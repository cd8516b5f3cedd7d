//! `wsim configure --from`: from a deployment with old applications, from the main process alone, and towards fewer workers.
//!
//! The rewritten files are read back by `wsim audit`, which must find no fault in them, and the plan. `tests/cluster/load` gives migrations to
//! Synapse's own loader, `tests/cluster/migrate` carries one out.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wsim::plan::{CheckedPlan, Plan};

use crate::support::run_in;

const HOMESERVER: &str = "\
# Our homeserver.
server_name: example.org
listeners:
  # Behind nginx.
  - port: 8008
    type: http
    x_forwarded: true
    bind_addresses: ['127.0.0.1']
    resources:
      - names: [client, federation]
  - port: 9092
    type: replication
    bind_addresses: ['127.0.0.1']
  - port: 9093
    type: http
    bind_addresses: ['127.0.0.1']
    resources:
      - names: [replication]
redis:
  enabled: true
  password: hush
worker_replication_secret: made-up
database:
  name: psycopg2
  args: {dbname: synapse, password: 'a: b'}
# The senders.
send_federation: false
start_pushers: false
max_upload_size: 80M
";

const NGINX: &str = "\
events {}
http {
    include /etc/nginx/conf.d/*.conf;
    upstream readers {
        server 127.0.0.1:8083;
    }
    server {
        listen 443;
        server_name matrix.example.org;
        client_max_body_size 80M;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;

        # Syncs.
        location ~ ^/_matrix/client/(r0|v3)/sync$ {
            proxy_pass http://127.0.0.1:8084;
        }
        location ~ ^/_matrix/client/(api/v1|r0|v3|unstable)/(publicRooms|joined_rooms)$ {
            proxy_pass http://readers;
        }
        location ~ ^/(_matrix|_synapse/client)/ {
            proxy_pass http://127.0.0.1:8008;
        }
        location / { return 404; }
    }
}
";

/// A deployment as it was before generic workers: direct replication, one program for each task.
fn old_deployment(folder: &Path) -> PathBuf {
    let old = folder.join("old");
    std::fs::create_dir_all(&old).unwrap();
    let write = |name: &str, text: &str| std::fs::write(old.join(name), text).unwrap();
    write("homeserver.yaml", HOMESERVER);
    write("nginx.conf", NGINX);
    let main = "worker_replication_host: 127.0.0.1\nworker_replication_port: 9092\nworker_replication_http_port: 9093\n";
    let listener = |port: u16| {
        format!(
            "worker_listeners:\n - type: http\n   port: {port}\n   x_forwarded: true\n   bind_addresses: ['127.0.0.1']\n   resources:\n     - names: [client]\n"
        )
    };
    write(
        "reader1.yaml",
        &format!(
            "# Reads.\nworker_app: synapse.app.client_reader\nworker_name: reader1\n{main}{}worker_main_http_uri: http://127.0.0.1:8008\nworker_log_config: /etc/reader.yaml\nevent_cache_size: 100K\n",
            listener(8083)
        ),
    );
    write("sync1.yaml", &format!("worker_app: synapse.app.synchrotron\nworker_name: sync1\n{main}{}", listener(8084)));
    write("sender1.yaml", &format!("worker_app: synapse.app.federation_sender\nworker_name: sender1\n{main}"));
    write("pusher1.yaml", &format!("worker_app: synapse.app.pusher\nworker_name: pusher1\n{main}"));
    old
}

fn wsim(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = run_in(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{error}");
    out
}

/// The plan that the deployment implements.
fn plan_of(folder: &Path, deployment: &str, out: &str) -> CheckedPlan {
    wsim(folder, &["audit", deployment, "--plan-out", out, "--synapse-version", "1.157", "--fail-on", "never", "--quiet"]);
    Plan::from_toml(&std::fs::read_to_string(folder.join(out)).unwrap(), out).unwrap()
}

/// Writes a migration and returns MIGRATION.md.
fn migrate(folder: &Path, plan: &str, from: &str, out: &str) -> String {
    wsim(folder, &["configure", plan, "--from", from, "--out", out, "--synapse-version", "1.157", "--quiet"]);
    std::fs::read_to_string(folder.join(out).join("MIGRATION.md")).unwrap()
}

/// The path of a rewritten file in the output.
fn rewritten(folder: &Path, out: &str, file: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder.join(file)).unwrap();
    folder.join(out).join("migration").join(absolute.strip_prefix("/").unwrap())
}

/// Puts the files of a migration together as they are when it is done.
fn installed(folder: &Path, from: &Path, out: &str, name: &str) {
    let new = folder.join(name);
    for part in ["conf.d", "snippets", "workers"] {
        std::fs::create_dir_all(new.join(part)).unwrap();
    }
    let copy = |from: PathBuf, to: &str| {
        std::fs::copy(&from, new.join(to)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    let written = folder.join(out);
    copy(written.join("proxy/nginx/wsim-maps.conf"), "conf.d/wsim-maps.conf");
    copy(written.join("proxy/nginx/wsim-locations.conf"), "snippets/wsim-locations.conf");
    copy(written.join("synapse/workers.yaml"), "workers.yaml");
    for file in ["homeserver.yaml", "nginx.conf"] {
        let changed = rewritten(folder, out, &from.join(file));
        copy(if changed.exists() { changed } else { from.join(file) }, file);
    }
    if let Ok(workers) = std::fs::read_dir(written.join("synapse/workers")) {
        for file in workers {
            let file = file.unwrap();
            copy(file.path(), &format!("workers/{}", file.file_name().to_string_lossy()));
        }
    }
}

/// What the audit finds besides hints. What a plan leaves to the main process stays there.
fn faults(folder: &Path, deployment: &str) -> Vec<String> {
    let out = wsim(folder, &["audit", deployment, "--json", "--synapse-version", "1.157", "--fail-on", "never"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let is_fault = |finding: &&Value| finding["severity"] != "hint" && finding["code"] != "served-by-main";
    findings.iter().filter(is_fault).map(ToString::to_string).collect()
}

/// The order in which texts occur, each after the one before.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { panic!("{part:?} is missing, or too early, in\n{text}") };
        rest = after;
    }
}

fn section<'t>(document: &'t str, title: &str) -> &'t str {
    let (_, after) = document.split_once(&format!("## {title}\n")).unwrap();
    after.split("\n## ").next().unwrap()
}

#[test]
fn an_old_deployment_is_rewritten_for_the_release() {
    let folder = tempfile::tempdir().unwrap();
    let old = old_deployment(folder.path());
    let plan = plan_of(folder.path(), "old", "plan.toml");
    let names: Vec<&str> = plan.workers().iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names, ["reader1", "sync1", "sender1", "pusher1"]);
    let document = migrate(folder.path(), "plan.toml", "old", "out");
    assert!(document.contains("Workers that stay: pusher1, reader1, sender1, sync1."), "{document}");
    // The workers are the same, and have to read their new files.
    assert_in_order(
        section(&document, "Steps"),
        &["systemctl restart matrix-synapse\n", "systemctl restart matrix-synapse-worker@reader1", "systemctl reload nginx"],
    );

    let homeserver = std::fs::read_to_string(rewritten(folder.path(), "out", &old.join("homeserver.yaml"))).unwrap();
    for kept in
        ["# Our homeserver.\n", "  # Behind nginx.\n", "  password: hush\n", "password: 'a: b'", "max_upload_size: 80M\n", "port: 9093\n"]
    {
        assert!(homeserver.contains(kept), "{kept:?} is gone: {homeserver}");
    }
    for gone in ["9092", "type: replication", "send_federation", "start_pushers"] {
        assert!(!homeserver.contains(gone), "{gone:?} is still there: {homeserver}");
    }
    let worker = |name: &str| std::fs::read_to_string(folder.path().join(format!("out/synapse/workers/{name}.yaml"))).unwrap();
    let reader = worker("reader1");
    assert!(reader.contains("# Reads.\nworker_app: synapse.app.generic_worker\nworker_name: reader1\nworker_listeners:\n"), "{reader}");
    assert!(reader.contains("worker_log_config: /etc/reader.yaml\nevent_cache_size: 100K\n"), "{reader}");
    assert!(!reader.contains("replication") && !reader.contains("worker_main_http_uri"), "{reader}");
    let shared = std::fs::read_to_string(folder.path().join("out/synapse/workers.yaml")).unwrap();
    for set in ["federation_sender_instances: [sender1]", "pusher_instances: [pusher1]", "  main:\n    host: '127.0.0.1'\n    port: 9093\n"]
    {
        assert!(shared.contains(set), "{set:?} is missing: {shared}");
    }
    // The secret and the size of uploads are those of the deployment.
    assert!(!folder.path().join("out/synapse/replication-secret.yaml").exists());
    let locations = std::fs::read_to_string(folder.path().join("out/proxy/nginx/wsim-locations.conf")).unwrap();
    assert!(locations.contains("client_max_body_size 80M;"), "{locations}");
    let site = std::fs::read_to_string(rewritten(folder.path(), "out", &old.join("nginx.conf"))).unwrap();
    assert!(
        site.contains("        # Syncs.\n        include /etc/nginx/snippets/wsim-locations.conf;\n        location / { return 404; }\n"),
        "{site}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for file in ["homeserver.yaml", "homeserver.yaml.diff"] {
            let mode = std::fs::metadata(rewritten(folder.path(), "out", &old.join(file))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    installed(folder.path(), &old, "out", "new");
    assert_eq!(faults(folder.path(), "new"), Vec::<String>::new());
    let again = plan_of(folder.path(), "new", "again.toml");
    let facts = |plan: &CheckedPlan| {
        let mut workers: Vec<_> = plan.workers().iter().map(|worker| (worker.name.clone(), worker.address.clone())).collect();
        workers.sort();
        (workers, plan.background_roles.clone(), plan.stream_writers.clone())
    };
    assert_eq!(facts(&again), facts(&plan));
    // A second migration to the same plan has nothing more to change.
    let document = migrate(folder.path(), "again.toml", "new", "out2");
    assert!(document.contains("Only the proxy's rules change.") && !document.contains("systemctl stop"), "{document}");
}

#[test]
fn a_diff_turns_the_old_file_into_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let old = old_deployment(folder.path());
    plan_of(folder.path(), "old", "plan.toml");
    migrate(folder.path(), "plan.toml", "old", "out");
    for (file, new) in [
        ("homeserver.yaml", rewritten(folder.path(), "out", &old.join("homeserver.yaml"))),
        ("nginx.conf", rewritten(folder.path(), "out", &old.join("nginx.conf"))),
        ("reader1.yaml", folder.path().join("out/synapse/workers/reader1.yaml")),
    ] {
        let diff = std::fs::read_to_string(rewritten(folder.path(), "out", &old.join(format!("{file}.diff")))).unwrap();
        let before = std::fs::read_to_string(old.join(file)).unwrap();
        assert_eq!(patched(&before, &diff), std::fs::read_to_string(new).unwrap(), "{file}: {diff}");
    }
}

/// A text with a unified diff applied.
fn patched(before: &str, diff: &str) -> String {
    let lines: Vec<&str> = before.lines().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    for line in diff.lines().skip(2) {
        if let Some(hunk) = line.strip_prefix("@@ -") {
            let start: usize = hunk.split([',', ' ']).next().unwrap().parse().unwrap();
            out.extend_from_slice(&lines[at..start.max(1) - 1]);
            at = start.max(1) - 1;
        } else if let Some(added) = line.strip_prefix('+') {
            out.push(added);
        } else if line.starts_with(' ') || line.starts_with('-') {
            assert_eq!(lines[at], &line[1..]);
            if line.starts_with(' ') {
                out.push(lines[at]);
            }
            at += 1;
        }
    }
    out.extend_from_slice(&lines[at..]);
    out.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn fewer_workers_leave_the_proxy_first_and_their_work_goes_back_last() {
    let folder = tempfile::tempdir().unwrap();
    let old = old_deployment(folder.path());
    let document = migrate(folder.path(), "monolith", "old", "out");
    let steps = section(&document, "Steps");
    assert_in_order(
        steps,
        &[
            "for file in ",
            "systemctl reload nginx",
            "systemctl disable --now matrix-synapse-worker@pusher1",
            "homeserver.yaml",
            "systemctl restart matrix-synapse\n",
        ],
    );
    assert!(!steps.contains("systemctl stop"), "{steps}");
    let back = section(&document, "The way back");
    assert_in_order(
        back,
        &["cp -a /var/backups/", "systemctl restart matrix-synapse\n", "systemctl enable --now", "systemctl reload nginx"],
    );
    installed(folder.path(), &old, "out", "new");
    assert_eq!(faults(folder.path(), "new"), Vec::<String>::new());
    assert!(plan_of(folder.path(), "new", "again.toml").workers().is_empty());
}

#[test]
fn other_stream_writers_stop_every_process_and_more_workers_stop_none() {
    let folder = tempfile::tempdir().unwrap();
    let old = old_deployment(folder.path());
    let present = plan_of(folder.path(), "old", "plan.toml").into_plan();
    let mut grown = present.clone();
    grown.pools.push(wsim::plan::Pool {
        name: "media".to_owned(),
        endpoints: vec![wsim::plan::Selector::Group("media".to_owned()), wsim::plan::Selector::Group("media_admin".to_owned())],
        workers: Some(1),
        ..wsim::plan::Pool::default()
    });
    std::fs::write(folder.path().join("grown.toml"), grown.to_toml()).unwrap();
    let document = migrate(folder.path(), "grown.toml", "old", "grown");
    let steps = section(&document, "Steps");
    assert_in_order(
        steps,
        &["systemctl restart matrix-synapse\n", "systemctl enable --now matrix-synapse-worker@media1", "systemctl reload nginx"],
    );
    assert!(!steps.contains("systemctl stop") && steps.contains("Requests for media can fail"), "{steps}");
    let back = section(&document, "The way back");
    assert_in_order(
        back,
        &["systemctl reload nginx", "systemctl disable --now matrix-synapse-worker@media1", "systemctl restart matrix-synapse\n"],
    );
    installed(folder.path(), &old, "grown", "new-grown");
    assert_eq!(faults(folder.path(), "new-grown"), Vec::<String>::new());

    let mut moved = present;
    moved.stream_writers.insert("typing".to_owned(), wsim::plan::Writers::One("reader1".to_owned()));
    std::fs::write(folder.path().join("moved.toml"), moved.to_toml()).unwrap();
    let document = migrate(folder.path(), "moved.toml", "old", "moved");
    assert!(document.contains("| typing | main | reader1 |"), "{document}");
    let steps = section(&document, "Steps");
    assert_in_order(
        steps,
        &[
            "systemctl stop matrix-synapse-worker@pusher1",
            "systemctl start matrix-synapse\n",
            "systemctl enable --now matrix-synapse-worker@",
            "systemctl reload nginx",
        ],
    );
    installed(folder.path(), &old, "moved", "new-moved");
    assert_eq!(faults(folder.path(), "new-moved"), Vec::<String>::new());
}

#[test]
fn the_main_process_alone_becomes_a_plan_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    std::fs::create_dir(&old).unwrap();
    let homeserver = "server_name: example.org\nlisteners: [{port: 8018, type: http, x_forwarded: yes, bind_addresses: [127.0.0.1], resources: [{names: [client, federation]}]}]\nredis:\n  host: cache.local\ndatabase: {name: psycopg2, args: {dbname: synapse}}\n";
    std::fs::write(old.join("homeserver.yaml"), homeserver).unwrap();
    let site = NGINX
        .replace("127.0.0.1:8084", "127.0.0.1:8018")
        .replace("127.0.0.1:8083", "127.0.0.1:8018")
        .replace("127.0.0.1:8008", "127.0.0.1:8018");
    std::fs::write(old.join("nginx.conf"), site).unwrap();
    let document = migrate(folder.path(), "stream-writers:4", "old", "out");
    assert_in_order(
        section(&document, "Steps"),
        &[
            "redis-cli ping",
            "do the next steps without a pause",
            "systemctl restart matrix-synapse\n",
            "http://127.0.0.1:8018/health",
            "systemctl enable --now",
            "systemctl reload nginx",
        ],
    );
    assert_in_order(section(&document, "The way back"), &["systemctl stop", "systemctl start matrix-synapse\n", "systemctl reload nginx"]);
    let new = std::fs::read_to_string(rewritten(folder.path(), "out", &old.join("homeserver.yaml"))).unwrap();
    assert!(new.contains("redis:\n  enabled: true\n  \"host\": \"cache.local\"\n"), "{new}");
    assert!(new.contains("\"x_forwarded\": true") && new.contains("names: [replication]"), "{new}");
    installed(folder.path(), &old, "out", "new");
    assert_eq!(faults(folder.path(), "new"), Vec::<String>::new());
}

#[test]
fn a_folder_without_homeserver_yaml_is_no_deployment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nginx.conf"), NGINX).unwrap();
    let (code, _, error) = run_in(folder.path(), &["configure", "generic:1", "--from", "nginx.conf", "--out", "out"]);
    assert!(code == 2 && error.contains("has no homeserver.yaml"), "{code} {error}");
    assert!(!folder.path().join("out").exists());
}
