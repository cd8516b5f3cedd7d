//! The world file: what was created on a test homeserver for a replay.
//!
//! Owns the file's format and how it is written: completely or not at all, and readable by its owner only, because it contains tokens. Invariant:
//! of a log it contains only salted hashes of names, numbers and sizes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Everything that was provisioned on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`Manifest::SCHEMA`].
    pub schema: String,
    /// URL of the target.
    pub target: String,
    /// The target's server name; empty until the first account is created.
    pub server_name: String,
    /// Key of the hashes by which a log's users and rooms are found again. Secret: names could be guessed with it.
    pub salt: String,
    /// Short name of the world, part of its users' names.
    pub name: String,
    /// Proof that the target may be replayed to.
    pub marker: Option<Marker>,
    /// The administrator that was created.
    pub admin: Option<Admin>,
    /// One for each copy of the logged users.
    pub copies: Vec<PopulationCopy>,
    /// Files that can be downloaded.
    pub media: Vec<Media>,
}

/// A room that only provisioning creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Owner of the room.
    pub user_id: String,
    /// Secret.
    pub token: String,
    /// It has a state event of type [`Manifest::MARKER_TYPE`].
    pub room_id: Option<String>,
    pub alias: Option<String>,
}

/// An account with administrator rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    pub user_id: String,
    /// Secret.
    pub token: String,
}

/// One copy of the logged users and rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PopulationCopy {
    /// In the same order in every copy.
    pub users: Vec<User>,
    /// In the same order in every copy.
    pub rooms: Vec<Room>,
    /// The account that gets invitations; it is in no room.
    pub guest: Option<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct User {
    /// Salted hash of the logged user.
    pub key: String,
    /// Made-up localpart; empty for an existing account that was given by its token.
    pub localpart: String,
    /// `None` until registered.
    pub user_id: Option<String>,
    /// At least one.
    pub devices: Vec<Device>,
    /// Rate limits are lifted.
    pub unlimited: bool,
    /// Id of the filter with lazily loaded members.
    pub filter: Option<String>,
    /// The log has a key backup.
    pub wants_backup: bool,
    /// Version of the key backup, once created.
    pub backup: Option<String>,
    /// The key backup has sessions.
    #[serde(default)]
    pub sessions: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Device {
    /// Salted hash of the logged agent.
    pub key: String,
    /// The target's id of the device.
    pub device_id: Option<String>,
    /// Secret.
    pub token: Option<String>,
    /// Its keys are uploaded.
    pub keys: bool,
    /// `since` of its next sync.
    pub next_batch: Option<String>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    /// Salted hash of the logged room.
    pub key: String,
    /// Members, as indices into [`PopulationCopy::users`], the creator first.
    pub members: Vec<u32>,
    /// Users who are not in the room when the log begins.
    #[serde(rename = "outside")]
    pub joins_later: Vec<u32>,
    /// `None` until created.
    pub room_id: Option<String>,
    /// How many of `members`, from the first, have joined.
    pub joined: u32,
    /// Number of messages that the room should have.
    pub history: u32,
    /// Event ids of the messages that were sent so far.
    pub events: Vec<String>,
    /// Where backwards pagination starts.
    pub prev_batch: Option<String>,
}

/// A file in the media repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Size.
    pub bytes: u64,
    /// A picture, which has thumbnails.
    pub image: bool,
    /// `SERVER/ID`, once uploaded.
    pub id: Option<String>,
}

/// Why a manifest could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("could not read the world {}, which `wsim provision` makes", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not a world that `wsim provision` made: {why}", .path.display())]
    Form { path: PathBuf, why: String },
}

impl Manifest {
    /// Name and version of the file's format.
    pub const SCHEMA: &'static str = "wsim.world/1";
    /// Type of the state event in the marker's room; its content holds the world's name.
    pub const MARKER_TYPE: &'static str = "org.wsim.world";

    /// An empty world for a target; `random` must be unguessable.
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
        let text = wsim_text::read_file(path, BYTES_MAX).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::from_json(&text, path)
    }

    /// Reads a manifest's text; `path` is only for messages.
    ///
    /// # Errors
    /// [`ManifestError::Form`].
    pub fn from_json(text: &[u8], path: &Path) -> Result<Self, ManifestError> {
        let form = |why: String| ManifestError::Form { path: path.to_owned(), why };
        let manifest: Self = serde_json::from_slice(text).map_err(|error| {
            // The error's own text may quote the file, which is secret.
            form(format!("unexpected content at line {}, column {}", error.line(), error.column()))
        })?;
        if manifest.schema != Self::SCHEMA {
            return Err(form(format!("its schema is {:?}, this version reads {:?}", manifest.schema, Self::SCHEMA)));
        }
        Ok(manifest)
    }

    /// Writes the manifest to a temporary file with mode 0600 and renames it to `path`.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn save(&self, path: &Path) -> Result<(), ManifestError> {
        let wrong = |source: io::Error| ManifestError::Write { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // Temporary files are readable by their owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
        let text = serde_json::to_vec(self).map_err(|error| wrong(error.into()))?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.as_file().sync_all()).map_err(wrong)?;
        file.persist(path).map_err(|error| wrong(error.error))?;
        Ok(())
    }

    /// The key of a logged name: 128 bits of HMAC-SHA-256 with the salt. Users, rooms and agents of the same name differ by `kind`.
    pub fn key(&self, kind: &str, name: &str) -> String {
        self.digest(kind, name).chars().take(22).collect()
    }

    /// The password of an account that provisioning created: a function of the salt, so that it need not be stored.
    pub fn password(&self, localpart: &str) -> String {
        self.digest("password", localpart)
    }

    fn digest(&self, kind: &str, text: &str) -> String {
        // HMAC accepts keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.salt.as_bytes()) else { return String::new() };
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// The world of a million users has a third of that.
const BYTES_MAX: usize = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_written_and_private_to_its_owner() {
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
    fn other_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        assert!(Manifest::load(&path).unwrap_err().to_string().starts_with("could not read the world "));
        std::fs::write(&path, "{}").unwrap();
        assert!(Manifest::load(&path).unwrap_err().to_string().contains("is not a world"));
    }
}
