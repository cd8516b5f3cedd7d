//! The table of operations: how a path is recognised, and whether it may be sent.
//!
//! From the client-server API of the Matrix specification and Synapse's servlets. The first matching row counts.

use Method::{Delete, Get, Post, Put};
use Op as O;
use Tier::{Dangerous, Never, Read, Write};
use wsim_endpoints::Method;

/// How far-reaching a request is; higher tiers must be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Changes at most read markers and typing notices.
    Read,
    /// Changes state on the target.
    Write,
    /// Cannot be undone, or reaches beyond the target.
    Dangerous,
    /// Never sent.
    Never,
}

impl Tier {
    /// The highest tier that `--allow-writes` and `--allow-dangerous` let through.
    pub fn highest_allowed(allow_writes: bool, allow_dangerous: bool) -> Self {
        match (allow_dangerous, allow_writes) {
            (true, _) => Self::Dangerous,
            (false, true) => Self::Write,
            (false, false) => Self::Read,
        }
    }

    /// The requests up to this tier, as reports and `report.json` call them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Dangerous => "dangerous",
            Self::Never => "never",
        }
    }

    /// The tier of a [`name`](Self::name) that can be allowed.
    pub fn from_allowed(name: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Dangerous].into_iter().find(|tier| tier.name() == name)
    }
}

/// What a request does. Operations that are made in the same way are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub enum Op {
    /// Needs neither a user nor a body.
    Open,
    /// Needs a token of its user and what the path names, no body.
    Plain,
    /// Needs a token, but of any user.
    AnyUser,
    UsernameAvailable,
    Sync,
    SlidingSync,
    Messages,
    Members,
    StateEvent,
    TimestampToEvent,
    Page,
    Profile,
    OthersPresence,
    AdminWhois,
    PushRule,
    Search,
    DirectorySearch,
    PublicRooms,
    KeysQuery,
    KeysChanges,
    BackupRead,
    FilterCreate,
    FilterRead,
    Typing,
    Receipt,
    ReadMarkers,
    Thumbnail,
    Download,
    Send,
    Redact,
    State,
    Presence,
    KeysUpload,
    KeysClaim,
    ToDevice,
    BackupVersion,
    BackupWrite,
    CreateRoom,
    Join,
    Leave,
    Forget,
    Invite,
    ProfileWrite,
    AccountData,
    TagWrite,
    TagDelete,
    PushRuleWrite,
    DeviceRename,
    EmptyPost,
    Report,
    Upload,
    Login,
    Logout,
    /// Known, but there is no useful request to send in its place.
    Unsupported,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// `HEAD` counts as `GET`, `OPTIONS` as any.
    pub methods: &'static [Method],
    /// Under `/_matrix/media/` instead of `/_matrix/client/`.
    pub media: bool,
    /// The path after the API version, with the placeholders of path templates, `{type}` for a word that is kept if it is known, and `{any}` for
    /// one that is not kept.
    pub pattern: &'static str,
    pub op: Op,
    pub tier: Tier,
}

const fn client(methods: &'static [Method], pattern: &'static str, op: Op, tier: Tier) -> Entry {
    Entry { methods, media: false, pattern, op, tier }
}

const fn media(methods: &'static [Method], pattern: &'static str, op: Op, tier: Tier) -> Entry {
    Entry { methods, media: true, pattern, op, tier }
}

/// All operations that wsim knows.
pub(crate) static TABLE: &[Entry] = &[
    client(&[Get], "sync", O::Sync, Read),
    client(&[Post], "org.matrix.simplified_msc3575/sync", O::SlidingSync, Read),
    // Without a token.
    client(&[Get], "versions", O::Open, Read),
    client(&[Get], "login", O::Open, Read),
    client(&[Get], "client", O::Open, Read),
    client(&[Get], "server", O::Open, Read),
    client(&[Get], "support", O::Open, Read),
    client(&[Get], "auth_metadata", O::Open, Read),
    client(&[Get], "org.matrix.msc2965/auth_metadata", O::Open, Read),
    client(&[Get], "org.matrix.msc2965/auth_issuer", O::Open, Read),
    client(&[Get], "register/available", O::UsernameAvailable, Read),
    // A user's own data.
    client(&[Get], "capabilities", O::Plain, Read),
    client(&[Get], "account/whoami", O::Plain, Read),
    client(&[Get], "account/3pid", O::Plain, Read),
    client(&[Get], "joined_rooms", O::Plain, Read),
    client(&[Get], "devices", O::Plain, Read),
    client(&[Get], "devices/{id}", O::Plain, Read),
    client(&[Get], "pushers", O::Plain, Read),
    client(&[Get], "pushrules/", O::Plain, Read),
    client(&[Get], "pushrules/global/", O::Plain, Read),
    client(&[Get], "pushrules/global/{any}/{any}", O::PushRule, Read),
    client(&[Get], "pushrules/global/{any}/{any}/{any}", O::PushRule, Read),
    client(&[Get], "notifications", O::Page, Read),
    client(&[Get], "voip/turnServer", O::Plain, Read),
    client(&[Get], "rtc/transports", O::Plain, Read),
    client(&[Get], "org.matrix.msc4143/rtc/transports", O::Plain, Read),
    client(&[Get], "thirdparty/protocols", O::Plain, Read),
    client(&[Get], "org.matrix.msc3814.v1/dehydrated_device", O::Plain, Read),
    client(&[Get], "room_keys/version", O::Plain, Read),
    client(&[Get], "room_keys/version/{any}", O::BackupRead, Read),
    client(&[Get], "room_keys/keys", O::BackupRead, Read),
    client(&[Get], "room_keys/keys/{room}", O::BackupRead, Read),
    client(&[Get], "room_keys/keys/{room}/{any}", O::BackupRead, Read),
    client(&[Post], "user/{user}/filter", O::FilterCreate, Read),
    client(&[Get], "user/{user}/filter/{id}", O::FilterRead, Read),
    client(&[Get], "user/{user}/account_data/{type}", O::Plain, Read),
    client(&[Get], "user/{user}/rooms/{room}/account_data/{type}", O::Plain, Read),
    client(&[Get], "user/{user}/rooms/{room}/tags", O::Plain, Read),
    client(&[Get], "admin/whois/{user}", O::AdminWhois, Read),
    // Other users.
    client(&[Get], "profile/{user}", O::Profile, Read),
    client(&[Get], "profile/{user}/displayname", O::Profile, Read),
    client(&[Get], "profile/{user}/avatar_url", O::Profile, Read),
    client(&[Get], "profile/{user}/{any}", O::Profile, Read),
    client(&[Get], "presence/{user}/status", O::OthersPresence, Read),
    client(&[Post], "user_directory/search", O::DirectorySearch, Read),
    client(&[Post], "keys/query", O::KeysQuery, Read),
    client(&[Get], "keys/changes", O::KeysChanges, Read),
    // Rooms.
    client(&[Get], "rooms/{room}/messages", O::Messages, Read),
    client(&[Get], "rooms/{room}/members", O::Members, Read),
    client(&[Get], "rooms/{room}/joined_members", O::Plain, Read),
    client(&[Get], "rooms/{room}/state", O::Plain, Read),
    client(&[Get], "rooms/{room}/state/{type}", O::StateEvent, Read),
    client(&[Get], "rooms/{room}/state/{type}/{key}", O::StateEvent, Read),
    client(&[Get], "rooms/{room}/aliases", O::Plain, Read),
    client(&[Get], "rooms/{room}/event/{event}", O::Plain, Read),
    client(&[Get], "rooms/{room}/context/{event}", O::Page, Read),
    client(&[Get], "rooms/{room}/relations/{event}", O::Page, Read),
    client(&[Get], "rooms/{room}/relations/{event}/{type}", O::Page, Read),
    client(&[Get], "rooms/{room}/relations/{event}/{type}/{any}", O::Page, Read),
    client(&[Get], "rooms/{room}/threads", O::Page, Read),
    client(&[Get], "rooms/{room}/hierarchy", O::Page, Read),
    client(&[Get], "rooms/{room}/timestamp_to_event", O::TimestampToEvent, Read),
    client(&[Get], "room_summary/{room}", O::Plain, Read),
    client(&[Get], "im.nheko.summary/rooms/{room}/summary", O::Plain, Read),
    client(&[Get], "im.nheko.summary/summary/{room}", O::Plain, Read),
    client(&[Get], "directory/room/{alias}", O::Plain, Read),
    client(&[Get], "directory/list/room/{room}", O::Plain, Read),
    client(&[Get, Post], "publicRooms", O::PublicRooms, Read),
    client(&[Post], "search", O::Search, Read),
    client(&[Put], "rooms/{room}/typing/{user}", O::Typing, Read),
    client(&[Post], "rooms/{room}/receipt/{type}/{event}", O::Receipt, Read),
    client(&[Post], "rooms/{room}/read_markers", O::ReadMarkers, Read),
    // Media. Recent uploads are served under the client API only.
    client(&[Get], "media/config", O::AnyUser, Read),
    client(&[Get], "media/thumbnail/{server}/{media}", O::Thumbnail, Read),
    client(&[Get], "media/download/{server}/{media}", O::Download, Read),
    client(&[Get], "media/download/{server}/{media}/{any}", O::Download, Read),
    client(&[Get], "media/preview_url", O::Unsupported, Dangerous),
    media(&[Get], "config", O::AnyUser, Read),
    media(&[Get], "thumbnail/{server}/{media}", O::Thumbnail, Read),
    media(&[Get], "download/{server}/{media}", O::Download, Read),
    media(&[Get], "download/{server}/{media}/{any}", O::Download, Read),
    media(&[Get], "preview_url", O::Unsupported, Dangerous),
    media(&[Post], "upload", O::Upload, Write),
    media(&[Post], "create", O::EmptyPost, Write),
    media(&[Put], "upload/{any}/{any}", O::Unsupported, Write),
    // Changes in rooms.
    client(&[Put], "rooms/{room}/send/{type}/{txn}", O::Send, Write),
    client(&[Post], "rooms/{room}/send/{type}", O::Send, Write),
    client(&[Put], "rooms/{room}/redact/{event}/{txn}", O::Redact, Write),
    client(&[Put], "rooms/{room}/state/{type}", O::State, Write),
    client(&[Put], "rooms/{room}/state/{type}/{key}", O::State, Write),
    client(&[Post], "createRoom", O::CreateRoom, Write),
    client(&[Post], "join/{room}", O::Join, Write),
    client(&[Post], "rooms/{room}/join", O::Join, Write),
    client(&[Post], "rooms/{room}/leave", O::Leave, Write),
    client(&[Post], "rooms/{room}/forget", O::Forget, Write),
    client(&[Post], "rooms/{room}/invite", O::Invite, Write),
    client(&[Post], "knock/{room}", O::Unsupported, Write),
    client(&[Post], "rooms/{room}/report", O::Unsupported, Write),
    client(&[Post], "rooms/{room}/report/{event}", O::Report, Write),
    client(&[Post], "rooms/{room}/kick", O::Unsupported, Dangerous),
    client(&[Post], "rooms/{room}/ban", O::Unsupported, Dangerous),
    client(&[Post], "rooms/{room}/unban", O::Unsupported, Dangerous),
    client(&[Post], "rooms/{room}/upgrade", O::Unsupported, Dangerous),
    client(&[Put, Delete], "directory/room/{alias}", O::Unsupported, Write),
    client(&[Put], "directory/list/room/{room}", O::Unsupported, Write),
    // Keys.
    client(&[Post], "keys/upload", O::KeysUpload, Write),
    client(&[Post], "keys/upload/{any}", O::KeysUpload, Write),
    client(&[Post], "keys/claim", O::KeysClaim, Write),
    client(&[Post], "keys/signatures/upload", O::EmptyPost, Write),
    client(&[Put], "sendToDevice/{type}/{txn}", O::ToDevice, Write),
    client(&[Post], "room_keys/version", O::BackupVersion, Write),
    client(&[Put], "room_keys/keys", O::BackupWrite, Write),
    client(&[Put], "room_keys/keys/{room}", O::BackupWrite, Write),
    client(&[Put], "room_keys/keys/{room}/{any}", O::BackupWrite, Write),
    client(&[Put], "room_keys/version/{any}", O::Unsupported, Write),
    client(&[Delete], "room_keys/version/{any}", O::Unsupported, Dangerous),
    client(&[Delete], "room_keys/keys", O::Unsupported, Dangerous),
    client(&[Post], "keys/device_signing/upload", O::Unsupported, Dangerous),
    client(&[Put], "org.matrix.msc3814.v1/dehydrated_device", O::Unsupported, Write),
    // Changes of a user's own data.
    client(&[Put], "presence/{user}/status", O::Presence, Write),
    client(&[Put], "profile/{user}/{type}", O::ProfileWrite, Write),
    client(&[Put], "user/{user}/account_data/{type}", O::AccountData, Write),
    client(&[Put], "user/{user}/rooms/{room}/account_data/{type}", O::AccountData, Write),
    client(&[Put], "user/{user}/rooms/{room}/tags/{any}", O::TagWrite, Write),
    client(&[Delete], "user/{user}/rooms/{room}/tags/{any}", O::TagDelete, Write),
    client(&[Put], "pushrules/global/{any}/{any}", O::PushRuleWrite, Write),
    client(&[Put], "pushrules/global/{any}/{any}/{any}", O::PushRuleWrite, Write),
    client(&[Delete], "pushrules/global/{any}/{any}", O::Unsupported, Write),
    client(&[Post], "user/{user}/openid/request_token", O::EmptyPost, Write),
    client(&[Put], "devices/{id}", O::DeviceRename, Write),
    client(&[Post], "login", O::Login, Write),
    client(&[Post], "logout", O::Logout, Write),
    client(&[Post], "refresh", O::Unsupported, Write),
    // Requests that end accounts, or make Synapse call push gateways, identity servers or mail servers.
    client(&[Post], "pushers/set", O::Unsupported, Never),
    client(&[Post], "logout/all", O::Unsupported, Dangerous),
    client(&[Post], "register", O::Unsupported, Dangerous),
    client(&[Post], "register/{any}", O::Unsupported, Dangerous),
    client(&[Post], "register/{any}/{any}", O::Unsupported, Dangerous),
    client(&[Post], "account/{any}", O::Unsupported, Dangerous),
    client(&[Post], "account/{any}/{any}", O::Unsupported, Dangerous),
    client(&[Post], "account/{any}/{any}/{any}", O::Unsupported, Dangerous),
    client(&[Post], "delete_devices", O::Unsupported, Dangerous),
    client(&[Delete], "devices/{id}", O::Unsupported, Dangerous),
    // Single sign-on.
    client(&[Get], "login/sso/redirect", O::Unsupported, Never),
    client(&[Get], "login/sso/redirect/{any}", O::Unsupported, Never),
    client(&[Get], "login/cas/ticket", O::Unsupported, Never),
    client(&[Get], "login/cas/redirect", O::Unsupported, Never),
    client(&[Post], "login/get_token", O::Unsupported, Dangerous),
];
