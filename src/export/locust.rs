//! Writes a folder that Locust runs: `locustfile.py`, the schedule, the users.
//!
//! Locust starts users and collects statistics; the locustfile decides when a request is sent, from absolute offsets. Locust's master assigns
//! each user of the schedule to one worker, so that no row is sent twice (if all workers read the same data, they send it several times:
//! locustio/locust#1694).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::{ExportError, Row, User, Written, placeholder};

/// The program that Locust runs. It needs only Locust, and no changes.
pub const LOCUSTFILE: &str = include_str!("locustfile.py");

/// Writes the schedule into `folder`, which must exist and have none of the three files. Rows may be in any order.
///
/// # Errors
/// [`ExportError::User`] for a name that has unsafe characters, is not unique, or is not in `users`; [`ExportError::Write`].
pub fn write_locust<'a>(folder: &Path, users: &[User], rows: impl IntoIterator<Item = Row<'a>>) -> Result<Written, ExportError> {
    let mut names = HashSet::with_capacity(users.len());
    for user in users {
        if !is_plain(&user.name) || !names.insert(user.name.as_str()) {
            return Err(ExportError::User(user.name.clone()));
        }
    }
    in_file(folder, "locustfile.py", |out| out.write_all(LOCUSTFILE.as_bytes()).map_err(Fault::Io))?;
    in_file(folder, "users.jsonl", |out| users.iter().try_for_each(|user| line(out, &UserLine::of(user))))?;
    let mut written = Written { users: u64::try_from(users.len()).unwrap_or(u64::MAX), ..Written::default() };
    in_file(folder, "requests.jsonl", |out| {
        rows.into_iter().try_for_each(|row| {
            if !names.contains(row.user.as_ref()) {
                return Err(Fault::User(row.user.into_owned()));
            }
            written.rows += 1;
            written.last_us = written.last_us.max(row.at_us);
            line(out, &row)
        })
    })?;
    Ok(written)
}

/// A line of `users.jsonl`.
#[derive(Serialize)]
struct UserLine<'a> {
    user: &'a str,
    token: String,
}

impl<'a> UserLine<'a> {
    fn of(user: &'a User) -> Self {
        Self { user: &user.name, token: user.token.clone().unwrap_or_else(|| placeholder::token(&user.name)) }
    }
}

/// Why a file could not be written.
enum Fault {
    Io(io::Error),
    User(String),
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), Fault> {
    serde_json::to_writer(&mut *out, value).map_err(|error| Fault::Io(error.into()))?;
    out.write_all(b"\n").map_err(Fault::Io)
}

/// Creates a file that only its owner can read, because it may hold tokens.
fn in_file(folder: &Path, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Fault>) -> Result<(), ExportError> {
    let path = folder.join(name);
    let done = wsim_folder::create_private(&path).map_err(Fault::Io).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        write(&mut out)?;
        out.flush().map_err(Fault::Io)
    });
    done.map_err(|fault| match fault {
        Fault::Io(source) => ExportError::Write { path, source },
        Fault::User(name) => ExportError::User(name),
    })
}

/// Whether a name needs no escaping in a file and a placeholder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn user(name: &str, token: Option<&str>) -> User {
        User { name: name.to_owned(), token: token.map(str::to_owned) }
    }

    fn row(user: &str, at_us: u64) -> Row<'_> {
        Row {
            user: user.into(),
            at_us,
            group: "sync".into(),
            kind: Kind::Sync,
            method: "GET".into(),
            target: format!("/_matrix/client/v3/sync?since={}&timeout=30000", placeholder::SINCE).into(),
            room: None,
            event: None,
            content_type: None,
            body: None,
        }
    }

    fn written(users: &[User], rows: Vec<Row<'_>>) -> (Result<Written, String>, impl Fn(&str) -> String + use<>) {
        let folder = tempfile::tempdir().unwrap();
        let done = write_locust(folder.path(), users, rows).map_err(|error| error.to_string());
        (done, move |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap())
    }

    #[test]
    fn every_row_is_one_line_that_starts_with_its_user() {
        let send = Row {
            kind: Kind::Plain,
            group: "event_sending".into(),
            method: "PUT".into(),
            target: "/_matrix/client/v3/rooms/%21r/send/m.room.message/{{txn}}".into(),
            room: Some("!r".into()),
            body: Some("{\"body\":\"a\\nb\"}".into()),
            ..row("u2", 5)
        };
        let (done, file) = written(&[user("u1", None), user("u2", None)], vec![row("u1", 7), send]);
        assert_eq!(done, Ok(Written { users: 2, rows: 2, last_us: 7 }));
        let lines: Vec<String> = file("requests.jsonl").lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("{\"user\":\"u1\",\"at_us\":7,\"group\":\"sync\",\"kind\":\"sync\","), "{}", lines[0]);
        let second: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((&second["body"], &second["room"]), (&"{\"body\":\"a\\nb\"}".into(), &"!r".into()));
        assert_eq!(file("locustfile.py"), LOCUSTFILE);
    }

    #[test]
    fn tokens_are_written_only_if_passed() {
        let (_, file) = written(&[user("u1", None), user("u2", Some("syt_YQ_b_c"))], vec![]);
        assert_eq!(file("users.jsonl"), "{\"user\":\"u1\",\"token\":\"{{token:u1}}\"}\n{\"user\":\"u2\",\"token\":\"syt_YQ_b_c\"}\n");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_tokens() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        write_locust(folder.path(), &[user("u1", Some("t"))], []).unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("users.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn unsafe_names_and_unknown_users_are_errors() {
        for name in ["", "a\"b", "a b", "@a:b"] {
            assert_eq!(written(&[user(name, None)], vec![]).0, Err(format!("{name:?} is not a user of the schedule")));
        }
        assert_eq!(written(&[user("u1", None), user("u1", None)], vec![]).0, Err("\"u1\" is not a user of the schedule".to_owned()));
        assert_eq!(written(&[user("u1", None)], vec![row("u2", 0)]).0, Err("\"u2\" is not a user of the schedule".to_owned()));
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("users.jsonl"), "mine").unwrap();
        assert!(matches!(write_locust(folder.path(), &[], []), Err(ExportError::Write { .. })));
        assert_eq!(std::fs::read_to_string(folder.path().join("users.jsonl")).unwrap(), "mine");
    }
}
