//! Redis, the database, media.

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::{SynapseFiles, SynapseProcess};
use super::super::super::read::tree::Node;
use super::super::finding::Severity;
use super::report::Report;
use super::{Process, Since, shared_place, workers};

/// What the loader refuses.
pub(super) fn refused(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    if let Some((redis, at)) = process.get("redis")
        && redis.get("enabled").is_some_and(super::is_truthy)
        && release.is_at_least("1.117")
        && ["password", "password_path"].iter().all(|key| redis.get(key).is_some_and(super::is_truthy))
    {
        let words = ["redis has both password and password_path".to_owned(), "keep one of them".to_owned()];
        report.refuse(process.name(), "redis-passwords", &at, words);
    }
    let has_both = ["worker_replication_secret", "worker_replication_secret_path"].iter().all(|key| process.truthy(key).is_some());
    if has_both && release.is_at_least("1.126") {
        let at = process.get("worker_replication_secret_path").map_or_else(|| process.at(), |(_, at)| at);
        let words = ["worker_replication_secret and worker_replication_secret_path are both set".to_owned(), "keep one of them".to_owned()];
        report.refuse(process.name(), "two-secrets", &at, words);
    }
    if let Some((database, at)) = process.get("database")
        && let Some(name) = database.get("name").and_then(Node::text)
        && !["sqlite3", "psycopg2"].contains(&name.as_str())
    {
        let what = format!("the database {}, which Synapse does not have", name.escape_debug());
        report.refuse(process.name(), "unknown-database", &at, [what, "name: psycopg2".to_owned()]);
    }
}

/// What starts and does not work.
pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    if workers(files).is_empty() {
        return;
    }
    redis(files, release, report);
    sqlite(files, report);
    media(files, report);
}

fn redis(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    let is_enabled = files.setting(None, "redis").is_some_and(|(node, _)| node.get("enabled").is_some_and(super::is_truthy));
    // Before 1.67 workers could also connect to the main process itself.
    let is_direct =
        !release.is_at_least("1.67") && workers(files).iter().any(|p| files.setting(p.file, "worker_replication_port").is_some());
    let known = files.redis.as_ref().map(|(_, at)| at.clone()).or_else(|| files.is_complete().then(|| shared_place(files)));
    if let (false, false, Some(at)) = (is_enabled, is_direct, known) {
        report.add(
            "no-redis",
            Severity::Error,
            &at,
            [
                "redis is not enabled, but there are workers".to_owned(),
                "workers get each other's changes through redis only".to_owned(),
                "redis: enabled: true".to_owned(),
            ],
        );
    }
}

fn sqlite(files: &SynapseFiles, report: &mut Report) {
    let sqlite = files.setting(None, "database").filter(|(node, _)| node.get("name").and_then(Node::text).as_deref() == Some("sqlite3"));
    if let Some((_, at)) = sqlite.or_else(|| files.setting(None, "database_path")) {
        report.add(
            "sqlite-with-workers",
            Severity::Error,
            &at,
            [
                "the database is SQLite, but there are workers".to_owned(),
                "SQLite lets one process write: workers need PostgreSQL".to_owned(),
                "move the database with synapse_port_db, and name: psycopg2".to_owned(),
            ],
        );
    }
}

/// Several processes with the media repository clean up, unless one is named.
fn media(files: &SynapseFiles, report: &mut Report) {
    let is_off = matches!(files.media, Some((false, _)));
    let serves = |process: &&SynapseProcess| {
        let has_repository = process.app == "synapse.app.media_repository" || process.media.unwrap_or(!is_off);
        has_repository && process.listeners.iter().any(|listener| listener.has("media"))
    };
    let with: Vec<&SynapseProcess> = workers(files).into_iter().filter(serves).collect();
    let without = workers(files).into_iter().find(|process| {
        let is_off_here = process.media != Some(true) && is_off && process.app != "synapse.app.media_repository";
        is_off_here && process.listeners.iter().any(|listener| listener.has("media"))
    });
    if let Some(process) = without {
        report.add(
            "media-disabled",
            Severity::Error,
            &process.at,
            [
                format!("{} has the resource media, but enable_media_repo is false for it", process.name.escape_debug()),
                "Synapse ignores the resource: media requests get 404".to_owned(),
                "enable_media_repo: true in this worker's own file".to_owned(),
            ],
        );
    }
    let main_too = !is_off && files.shared;
    let Some(first) = with.first() else { return };
    let at: SourceLocation = first.at.clone();
    if with.len() + usize::from(main_too) > 1
        && files.is_complete()
        && files.setting(None, "media_instance_running_background_jobs").is_none()
    {
        report.add(
            "media-jobs",
            Severity::Warning,
            &at,
            [
                format!("{} processes serve media, and none is named to clean up", with.len() + usize::from(main_too)),
                "each of them removes old media and previews, at the same time".to_owned(),
                format!("media_instance_running_background_jobs: {} in the shared configuration", first.name.escape_debug()),
            ],
        );
    }
}
