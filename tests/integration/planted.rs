//! Logs of every format that `samples/` covers, with a text of the test's choice in every field.
//!
//! ```text
//! LOG_FORMATS ─▶ LogFormat::log(|field| text) ─▶ the content of a log file
//! ```
//!
//! A test plants a text, runs the program, and looks for the text in everything that was written. Owns the lines; knows nothing of what
//! may be kept. Texts are written as they are: a test that plants quotes, spaces or backslashes encodes them as the format asks.

/// A place in a log line that holds a text from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Field {
    // Around the request target.
    /// Client address.
    Address,
    /// The requester in Synapse's log, a basic-auth user or a logged hash in a proxy's.
    User,
    /// The server of that user.
    Server,
    Agent,
    Referer,
    VirtualHost,
    Upstream,
    /// A proxy's request id.
    RequestId,
    /// HAProxy's frontend and Traefik's router.
    Frontend,
    /// Synapse's listener tag.
    SiteTag,
    // Segments of the path.
    /// Localpart of a user in a path.
    PathUser,
    /// Server of an id in a path, and a server that is a segment of its own.
    PathServer,
    Room,
    Alias,
    Event,
    EventType,
    StateKey,
    Transaction,
    Device,
    Tag,
    AccountDataType,
    ProfileKey,
    PushRule,
    FilterId,
    Media,
    FileName,
    IdentityProvider,
    ExternalUser,
    RegistrationToken,
    ServerKey,
    ThirdPartyProtocol,
    BackupVersion,
    /// A segment below the Matrix API that no specification has.
    UnknownSegment,
    /// A path outside the Matrix API.
    OtherPath,
    // Values of the query.
    /// `since`, `from`, `pos`.
    Position,
    /// A parameter whose name no specification has.
    QueryValue,
    /// The name of such a parameter.
    QueryName,
    /// `limit`, `dir`, `timeout`: values that templates keep if they are harmless.
    KeptQueryValue,
}

impl Field {
    pub(crate) const ALL: [Self; 38] = [
        Self::Address,
        Self::User,
        Self::Server,
        Self::Agent,
        Self::Referer,
        Self::VirtualHost,
        Self::Upstream,
        Self::RequestId,
        Self::Frontend,
        Self::SiteTag,
        Self::PathUser,
        Self::PathServer,
        Self::Room,
        Self::Alias,
        Self::Event,
        Self::EventType,
        Self::StateKey,
        Self::Transaction,
        Self::Device,
        Self::Tag,
        Self::AccountDataType,
        Self::ProfileKey,
        Self::PushRule,
        Self::FilterId,
        Self::Media,
        Self::FileName,
        Self::IdentityProvider,
        Self::ExternalUser,
        Self::RegistrationToken,
        Self::ServerKey,
        Self::ThirdPartyProtocol,
        Self::BackupVersion,
        Self::UnknownSegment,
        Self::OtherPath,
        Self::Position,
        Self::QueryValue,
        Self::QueryName,
        Self::KeptQueryValue,
    ];

    /// A text that is usual at this place, for tests that plant at another one.
    pub(crate) fn usual(self) -> &'static str {
        match self {
            Self::Address => "203.0.113.9",
            Self::User => "carol",
            Self::Server | Self::PathServer | Self::VirtualHost => "hs.example",
            Self::Agent => "Element/1.11.70",
            Self::Referer => "https://app.example/",
            Self::Upstream => "127.0.0.1:8083",
            Self::RequestId => "7f3c9e1a5b7f3c9e1a5b7f3c9e1a5b7f",
            Self::Frontend => "matrix",
            Self::SiteTag => "8083",
            Self::EventType => "m.room.message",
            Self::AccountDataType => "m.direct",
            Self::ProfileKey => "displayname",
            Self::KeptQueryValue => "10",
            Self::Tag => "m.favourite",
            Self::ThirdPartyProtocol => "irc",
            Self::UnknownSegment => "unheard",
            Self::OtherPath => "index.html",
            Self::QueryName => "ts",
            _ => "x1",
        }
    }

    /// The name between braces in [`TARGETS`].
    fn from_name(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|field| format!("{field:?}") == name);
        found.unwrap_or_else(|| panic!("no field {name}"))
    }
}

/// One request for each field of the path and the query, as method and target with the names of fields in braces.
const TARGETS: [(&str, &str); 52] = [
    ("GET", "/_matrix/client/v3/sync?since={Position}&timeout=30000&filter={FilterId}&{QueryName}={QueryValue}"),
    ("GET", "/_matrix/client/v3/sync?timeout={KeptQueryValue}"),
    ("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={Position}&timeout=30000"),
    ("GET", "/_matrix/client/v3/profile/%40{PathUser}%3A{PathServer}/{ProfileKey}"),
    ("GET", "/_matrix/client/v3/profile/@{PathUser}:{PathServer}"),
    ("GET", "/_matrix/client/v3/presence/@{PathUser}:{PathServer}/status"),
    ("PUT", "/_matrix/client/v3/user/@{PathUser}:{PathServer}/rooms/!{Room}:{PathServer}/tags/{Tag}"),
    ("PUT", "/_matrix/client/v3/user/@{PathUser}:{PathServer}/account_data/{AccountDataType}"),
    ("GET", "/_matrix/client/v3/user/@{PathUser}:{PathServer}/rooms/!{Room}:{PathServer}/account_data/{AccountDataType}"),
    ("GET", "/_matrix/client/v3/user/@{PathUser}:{PathServer}/filter/{FilterId}"),
    ("PUT", "/_matrix/client/v3/pushrules/global/content/{PushRule}"),
    ("PUT", "/_matrix/client/v3/pushrules/global/content/{PushRule}/enabled"),
    ("GET", "/_matrix/client/v3/rooms/!{Room}:{PathServer}/messages?from={Position}&dir={KeptQueryValue}&limit={KeptQueryValue}"),
    ("PUT", "/_matrix/client/v3/rooms/!{Room}:{PathServer}/send/{EventType}/{Transaction}"),
    ("PUT", "/_matrix/client/v3/rooms/!{Room}:{PathServer}/state/{EventType}/{StateKey}"),
    ("GET", "/_matrix/client/v3/rooms/%21{Room}%3A{PathServer}/event/${Event}"),
    ("PUT", "/_matrix/client/v3/rooms/!{Room}/redact/${Event}/{Transaction}"),
    ("POST", "/_matrix/client/v3/rooms/!{Room}:{PathServer}/receipt/m.read/${Event}"),
    ("GET", "/_matrix/client/v1/rooms/!{Room}:{PathServer}/relations/${Event}/{EventType}/{EventType}"),
    ("PUT", "/_matrix/client/v3/rooms/!{Room}:{PathServer}/typing/@{PathUser}:{PathServer}"),
    ("POST", "/_matrix/client/v3/join/%23{Alias}%3A{PathServer}?server_name={PathServer}&via={PathServer}"),
    ("POST", "/_matrix/client/v3/join/{Alias}"),
    ("GET", "/_matrix/client/v3/directory/room/%23{Alias}:{PathServer}"),
    ("PUT", "/_matrix/client/v3/directory/list/appservice/{ThirdPartyProtocol}/!{Room}:{PathServer}"),
    ("GET", "/_matrix/client/v3/devices/{Device}"),
    ("PUT", "/_matrix/client/v3/sendToDevice/{EventType}/{Transaction}"),
    ("PUT", "/_matrix/client/v3/room_keys/keys/!{Room}:{PathServer}/{ServerKey}?version={BackupVersion}"),
    ("GET", "/_matrix/client/v3/room_keys/version/{BackupVersion}"),
    ("GET", "/_matrix/client/v3/login/sso/redirect/{IdentityProvider}?redirectUrl=https%3A%2F%2F{PathServer}%2F"),
    ("GET", "/_matrix/client/v3/admin/whois/@{PathUser}:{PathServer}"),
    ("GET", "/_matrix/client/v3/thirdparty/location/{ThirdPartyProtocol}?alias={Alias}"),
    ("GET", "/_matrix/client/v1/register/m.login.registration_token/validity?token={RegistrationToken}"),
    ("GET", "/_matrix/client/v3/register/available?username={PathUser}"),
    ("GET", "/_matrix/client/v1/media/download/{PathServer}/{Media}/{FileName}"),
    ("GET", "/_matrix/media/v3/thumbnail/{PathServer}/{Media}?width={KeptQueryValue}&height=96&method=crop"),
    ("GET", "/_matrix/media/v3/preview_url?url=https%3A%2F%2F{PathServer}%2F{FileName}"),
    ("GET", "/_matrix/key/v2/query/{PathServer}/{ServerKey}"),
    ("PUT", "/_matrix/federation/v1/send/{Transaction}"),
    ("GET", "/_matrix/federation/v1/make_join/!{Room}:{PathServer}/@{PathUser}:{PathServer}?ver=11"),
    ("GET", "/_matrix/federation/v1/user/devices/@{PathUser}:{PathServer}"),
    ("GET", "/_matrix/federation/v1/query/profile?user_id=@{PathUser}:{PathServer}&field=displayname"),
    ("GET", "/_synapse/admin/v1/registration_tokens/{RegistrationToken}"),
    ("GET", "/_synapse/admin/v1/auth_providers/{IdentityProvider}/users/{ExternalUser}"),
    ("GET", "/_synapse/admin/v1/federation/destinations/{PathServer}/rooms"),
    ("GET", "/_synapse/admin/v2/users/@{PathUser}:{PathServer}/devices/{Device}"),
    ("DELETE", "/_synapse/admin/v1/media/{PathServer}/{Media}"),
    ("PUT", "/_synapse/replication/send_events/{Transaction}"),
    ("GET", "/_matrix/client/v3/{UnknownSegment}/{UnknownSegment}"),
    ("GET", "/_matrix/client/unstable/org.example.{UnknownSegment}/rooms/{UnknownSegment}"),
    ("GET", "/_synapse/{UnknownSegment}/v1/{UnknownSegment}"),
    ("GET", "/.well-known/matrix/{UnknownSegment}"),
    ("GET", "/{OtherPath}/matrix/v3/rooms/{OtherPath}"),
];

/// A log format of `samples/`, and how its lines are written.
pub(crate) struct LogFormat {
    /// Name of the log file.
    pub(crate) file: &'static str,
    /// What a user has to say about it; empty if the format is detected.
    pub(crate) options: &'static [&'static str],
    line: fn(&Line, &mut dyn FnMut(Field) -> String) -> String,
}

/// What a line is about.
struct Line {
    number: usize,
    method: &'static str,
    target: String,
}

impl Line {
    /// Seconds since 16:00:00 on 20 November 2026, as minutes and seconds.
    fn clock(&self) -> (usize, usize) {
        (self.number / 60, self.number % 60)
    }

    /// `20/Nov/2026:16:00:01`
    fn common_time(&self) -> String {
        let (minute, second) = self.clock();
        format!("20/Nov/2026:16:{minute:02}:{second:02}")
    }

    /// `2026-11-20T16:00:01`
    fn iso_time(&self) -> String {
        let (minute, second) = self.clock();
        format!("2026-11-20T16:{minute:02}:{second:02}")
    }

    fn epoch(&self) -> usize {
        1_795_190_400 + self.number
    }
}

impl LogFormat {
    /// The content of a log with one line for each kind of request, `rounds` times over.
    pub(crate) fn log(&self, rounds: usize, mut text: impl FnMut(Field) -> String) -> String {
        let mut log = String::new();
        let requests = (0..rounds).flat_map(|_| TARGETS);
        for (number, (method, target)) in requests.enumerate() {
            let line = Line { number, method, target: fill(target, &mut text) };
            log.push_str(&(self.line)(&line, &mut text));
            log.push('\n');
        }
        log
    }

    /// The fields that lines of this format hold.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.log(1, |field| {
            fields.push(field);
            field.usual().to_owned()
        });
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// Puts texts in place of the names in braces.
fn fill(target: &str, text: &mut dyn FnMut(Field) -> String) -> String {
    let mut filled = String::new();
    let mut rest = target;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("no closing brace in {target}"));
        filled.push_str(before);
        filled.push_str(&text(Field::from_name(name)));
        rest = after;
    }
    filled + rest
}

/// Every format of `samples/`, and the virtual-host format of the distributions.
pub(crate) const LOG_FORMATS: [LogFormat; 12] = [
    LogFormat { file: "nginx-combined.log", options: &[], line: |line, text| combined(line, text, "-") },
    LogFormat { file: "nginx-rich.log", options: &[], line: nginx_rich },
    LogFormat { file: "nginx.json.log", options: &[], line: nginx_json },
    LogFormat { file: "apache-combined.log", options: &["--format", "apache-combined"], line: |line, text| combined(line, text, "-") },
    LogFormat { file: "apache-timed.log", options: &[], line: apache_timed },
    LogFormat { file: "other-vhosts-access.log", options: &["--format", "apache-vhost"], line: apache_vhost },
    LogFormat { file: "caddy.log", options: &[], line: caddy },
    LogFormat { file: "haproxy.log", options: &[], line: haproxy },
    LogFormat { file: "traefik.log", options: &[], line: traefik },
    LogFormat { file: "traefik.json.log", options: &[], line: traefik_json },
    LogFormat { file: "synapse-generic_worker1.log", options: &[], line: synapse },
    LogFormat { file: "synapse-terse.json.log", options: &[], line: synapse_json },
];

fn combined(line: &Line, text: &mut dyn FnMut(Field) -> String, identity: &str) -> String {
    let Line { method, target, .. } = line;
    let (address, user) = (text(Field::Address), text(Field::User));
    let (referer, agent, time) = (text(Field::Referer), text(Field::Agent), line.common_time());
    format!("{address} {identity} {user} [{time} +0000] \"{method} {target} HTTP/1.1\" 200 523 \"{referer}\" \"{agent}\"")
}

fn nginx_rich(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, user, time) = (text(Field::Address), text(Field::User), line.iso_time());
    let (referer, agent) = (text(Field::Referer), text(Field::Agent));
    let (upstream, hash, id) = (text(Field::Upstream), text(Field::User), text(Field::RequestId));
    format!(
        "{address} - {user} [{time}+00:00] \"{method} {target} HTTP/1.1\" 200 89 \"{referer}\" \"{agent}\" rt=0.003 uct=0.001 uht=0.003 \
         urt=0.003 ua={upstream} us=200 user={hash} grp=client rl=134 conn=2/1 tls=- rid={id}"
    )
}

fn nginx_json(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, upstream, agent) = (text(Field::Address), text(Field::Upstream), text(Field::Agent));
    let (host, user, id) = (text(Field::VirtualHost), text(Field::User), text(Field::RequestId));
    let (referer, time) = (text(Field::Referer), line.epoch());
    format!(
        r#"{{"ts":"{time}.628","remote_addr":"{address}","method":"{method}","uri":"{target}","proto":"HTTP/1.1","status":200,"bytes":89,"request_length":134,"request_time":0.003,"upstream_response_time":"0.003","upstream_addr":"{upstream}","user_agent":"{agent}","http_referer":"{referer}","host":"{host}","user":"{user}","request_id":"{id}"}}"#
    )
}

fn apache_timed(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let (host, upstream) = (text(Field::VirtualHost), text(Field::Upstream));
    format!("{host}:80 {} D=14098 T=0 worker=http://{upstream} X=+", combined(line, text, "-"))
}

fn apache_vhost(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let host = text(Field::VirtualHost);
    format!("{host}:443 {}", combined(line, text, "-"))
}

fn caddy(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, host, agent) = (text(Field::Address), text(Field::VirtualHost), text(Field::Agent));
    let (referer, user, time) = (text(Field::Referer), text(Field::User), line.epoch());
    format!(
        r#"{{"level":"info","ts":{time}.2708755,"logger":"http.log.access.log0","msg":"handled request","request":{{"remote_ip":"{address}","remote_port":"52055","proto":"HTTP/1.1","method":"{method}","host":"{host}","uri":"{target}","headers":{{"User-Agent":["{agent}"],"Referer":["{referer}"],"Accept":["*/*"]}}}},"user_id":"{user}","duration":0.001946967,"size":78,"status":200,"resp_headers":{{"Server":["Caddy","Synapse/1.163.2"]}}}}"#
    )
}

fn haproxy(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, frontend, upstream) = (text(Field::Address), text(Field::Frontend), text(Field::Upstream));
    let (agent, host, time) = (text(Field::Agent), text(Field::VirtualHost), line.common_time());
    let (minute, second) = line.clock();
    format!(
        "Nov 20 16:{minute:02}:{second:02} localhost haproxy[20814]: {address}:57791 [{time}.271] {frontend} client/{upstream} 0/0/0/227/227 \
         200 614 - - ---- 3/3/1/1/0 0/0 {{{agent}|{host}}} {{}} \"{method} {target} HTTP/1.1\""
    )
}

fn traefik(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let (router, upstream) = (text(Field::Frontend), text(Field::Upstream));
    format!("{} {} \"{router}@docker\" \"http://{upstream}\" 3ms", combined(line, text, "-"), line.number + 1)
}

fn traefik_json(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, host, router) = (text(Field::Address), text(Field::VirtualHost), text(Field::Frontend));
    let (upstream, agent, user) = (text(Field::Upstream), text(Field::Agent), text(Field::User));
    let (referer, time) = (text(Field::Referer), line.iso_time());
    format!(
        r#"{{"ClientAddr":"{address}:51034","ClientHost":"{address}","ClientUsername":"{user}","DownstreamContentSize":412,"DownstreamStatus":200,"Duration":30001482,"OriginDuration":30000911,"OriginStatus":200,"Overhead":571113,"RequestHost":"{host}","RequestMethod":"{method}","RequestPath":"{target}","RequestProtocol":"HTTP/2.0","RouterName":"{router}@docker","ServiceAddr":"{upstream}","ServiceName":"{router}@docker","ServiceURL":"http://{upstream}","StartUTC":"{time}.123456789Z","level":"info","msg":"","request_User-Agent":"{agent}","request_Referer":"{referer}","time":"{time}Z"}}"#
    )
}

/// The message that Synapse writes at the end of a request.
fn processed_request(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, .. } = line;
    let (address, tag, agent) = (text(Field::Address), text(Field::SiteTag), text(Field::Agent));
    let requester = requester(line, text);
    format!(
        "{address} - {tag} - {{{requester}}} Processed request: 0.011sec/0.001sec ru=(0.005sec, 0.001sec) db=(0.001sec/0.003sec/3) 78B 200 \
         \"{method} {target} HTTP/1.1\" \"{agent}\" [0 dbevts]"
    )
}

/// A server for federation requests, else a user.
fn requester(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let server = text(Field::Server);
    if line.target.starts_with("/_matrix/federation/") { server } else { format!("@{}:{server}", text(Field::User)) }
}

fn synapse(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let (minute, second) = line.clock();
    let tag = text(Field::SiteTag);
    let (method, number, message) = (line.method, line.number, processed_request(line, text));
    format!("2026-11-20 16:{minute:02}:{second:02},627 - synapse.access.http.{tag} - 643 - INFO - {method}-{number} - {message}")
}

fn synapse_json(line: &Line, text: &mut dyn FnMut(Field) -> String) -> String {
    let Line { method, target, number, .. } = line;
    let message = processed_request(line, text).replace('"', "\\\"");
    let (server, address, tag, agent) = (text(Field::Server), text(Field::Address), text(Field::SiteTag), text(Field::Agent));
    let (requester, time) = (requester(line, text), line.epoch());
    format!(
        r#"{{"log":"{message}","namespace":"synapse.access.http.{tag}","level":"INFO","time":{time}.63,"server_name":"{server}","request":"{method}-{number}","ip_address":"{address}","site_tag":"{tag}","requester":"{requester}","authenticated_entity":null,"method":"{method}","url":"{target}","protocol":"HTTP/1.1","user_agent":"{agent}"}}"#
    )
}
