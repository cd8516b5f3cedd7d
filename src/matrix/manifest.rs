//! The world that was made on a test homeserver for a replay: the file of it, private to its owner.
//!
//! Owns the file's form and how it is written: whole or not at all, readable by its owner alone, because it holds tokens. Invariant: nothing of
//! a log stands in it but salted hashes of names, numbers and sizes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Everything provisioned on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::SCHEMA`].
    pub schema: String,
    /// The target's URL.
    pub target: String,
    /// The target's server name; empty before the first account was made.
    pub server_name: String,
    /// Key of the hashes by which a log's users and rooms are found again. Secret: with it names can be tried.
    pub salt: String,
    /// Short name of this world, in the names of its users.
    pub name: String,
    /// Proof that the target's owner wants to be replayed at.
    pub marker: Option<Marker>,
    /// The administrator among the accounts made.
    pub admin: Option<Admin>,
    /// One for each copy of the logged population.
    pub copies: Vec<PopulationCopy>,
    /// Files to download.
    pub media: Vec<Media>,
}

/// A room that only provisioning makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Whose room it is.
    pub user_id: String,
    /// Access token. Secret.
    pub token: String,
    /// The room, with a state event of type [`Manifest::MARKER_TYPE`].
    pub room_id: Option<String>,
    /// Its alias.
    pub alias: Option<String>,
}

/// An account with an administrator's rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// User id.
    pub user_id: String,
    /// Access token. Secret.
    pub token: String,
}

/// The logged population once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PopulationCopy {
    /// Users, in the same order in every copy.
    pub users: Vec<User>,
    /// Rooms, in the same order in every copy.
    pub rooms: Vec<Room>,
    /// Who gets the invitations: in no room.
    pub guest: Option<String>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct User {
    /// Salted hash of the logged user.
    pub key: String,
    /// Made-up localpart; empty for an account that was given by its token.
    pub localpart: String,
    /// User id, once registered.
    pub user_id: Option<String>,
    /// At least one.
    pub devices: Vec<Device>,
    /// Rate limits were lifted.
    pub unlimited: bool,
    /// Id of the filter with lazily loaded members.
    pub filter: Option<String>,
    /// Whether a key backup is wanted.
    pub wants_backup: bool,
    /// Version of the key backup.
    pub backup: Option<String>,
    /// There is something in it.
    #[serde(default)]
    pub sessions: bool,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Device {
    /// Salted hash of the logged agent.
    pub key: String,
    /// The target's name for it.
    pub device_id: Option<String>,
    /// Access token. Secret.
    pub token: Option<String>,
    /// Keys were uploaded.
    pub keys: bool,
    /// Where its next sync begins.
    pub next_batch: Option<String>,
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    /// Salted hash of the logged room.
    pub key: String,
    /// Who is in it: places in [`PopulationCopy::users`], the creator first.
    pub members: Vec<u32>,
    /// Who is known not to be in it when the log begins.
    pub outside: Vec<u32>,
    /// Room id, once created.
    pub room_id: Option<String>,
    /// How many of `members`, from the first, have joined.
    pub joined: u32,
    /// Messages wanted.
    pub history: u32,
    /// Ids of the messages sent so far.
    pub events: Vec<String>,
    /// Where pagination backwards begins.
    pub prev_batch: Option<String>,
}

/// One file in the media repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Its size.
    pub bytes: u64,
    /// Whether it is a picture, of which there are thumbnails.
    pub image: bool,
    /// `SERVER/ID`, once uploaded.
    pub id: Option<String>,
}

/// Why a manifest could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It could not be read.
    #[error("could not read the world {}, which `wsim provision` makes", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It could not be written.
    #[error("could not write {}", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Not a manifest.
    #[error("{} is not a world that `wsim provision` made: {why}", .path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Manifest {
    /// The form of the file.
    pub const SCHEMA: &'static str = "wsim.world/1";
    /// Type of the state event in the marker's room; its content holds the world's name.
    pub const MARKER_TYPE: &'static str = "org.wsim.world";

    /// A world with nothing in it, for a target; `random` is 16 bytes that nobody can guess.
    pub fn new(target: &str, random: [u8; 16]) -> Self {
        let salt = URL_SAFE_NO_PAD.encode(random);
        let mut manifest = Self {
            schema: Self::SCHEMA.to_owned(),
            target: target.to_owned(),
            server_name: String::new(),
            salt,
            name: String::new(),
            marker: None,
            admin: None,
            copies: Vec::new(),
            media: Vec::new(),
        };
        manifest.name = manifest.digest("name", "").chars().filter(char::is_ascii_alphanumeric).take(6).collect::<String>().to_lowercase();
        manifest
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let form = |why: String| ManifestError::Form { path: path.to_owned(), why };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            // What serde says may quote the file, which is secret.
            form(format!("it is not what was expected at line {}, column {}", error.line(), error.column()))
        })?;
        if manifest.schema != Self::SCHEMA {
            return Err(form(format!("its schema is {:?}, this version reads {:?}", manifest.schema, Self::SCHEMA)));
        }
        Ok(manifest)
    }

    /// Writes the manifest beside its place and moves it there, mode 0600.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn save(&self, path: &Path) -> Result<(), ManifestError> {
        let wrong = |source: io::Error| ManifestError::Write { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // Temporary files are made for their owner alone.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
        let text = serde_json::to_vec(self).map_err(|error| wrong(error.into()))?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.as_file().sync_all()).map_err(wrong)?;
        file.persist(path).map_err(|error| wrong(error.error))?;
        Ok(())
    }

    /// The key of a logged name: 128 bits of HMAC-SHA-256 under the salt. `kind` keeps users, rooms and agents apart.
    pub fn key(&self, kind: &str, name: &str) -> String {
        self.digest(kind, name).chars().take(22).collect()
    }

    /// The password of an account made here: a function of the salt, so that it need not be kept.
    pub fn password(&self, localpart: &str) -> String {
        self.digest("password", localpart)
    }

    fn digest(&self, kind: &str, text: &str) -> String {
        // Any length is a key for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.salt.as_bytes()) else { return String::new() };
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        let mut manifest = Manifest::new("http://localhost", [7; 16]);
        manifest.copies.push(PopulationCopy {
            users: vec![User { key: manifest.key("user", "@a:b"), ..User::default() }],
            ..PopulationCopy::default()
        });
        manifest.save(&path).unwrap();
        manifest.save(&path).unwrap();
        assert_eq!(Manifest::load(&path).unwrap(), manifest);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!std::fs::read_to_string(&path).unwrap().contains("@a:b"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn keys_depend_on_salt_kind_and_name() {
        let (one, other) = (Manifest::new("", [1; 16]), Manifest::new("", [2; 16]));
        let all: std::collections::HashSet<_> =
            [one.key("user", "a"), one.key("room", "a"), one.key("user", "b"), other.key("user", "a")].into();
        assert_eq!(all.len(), 4);
        assert_eq!(one.key("user", "a"), one.key("user", "a"));
        assert!(one.name.len() >= 4 && one.name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", one.name);
    }

    #[test]
    fn what_is_no_manifest_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        assert!(Manifest::load(&path).unwrap_err().to_string().starts_with("could not read the world "));
        std::fs::write(&path, "{}").unwrap();
        assert!(Manifest::load(&path).unwrap_err().to_string().contains("is not a world"));
    }
}
