//! Synapse's worker endpoint tables: which requests a worker may serve, by release.
//!
//! Owns the tables of every release and the classifier. Knows nothing of logs.

/// HTTP method, as far as routing cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Method {
    /// Anything not listed below, and unreadable request lines.
    Other = 0,
    /// GET
    Get = 1,
    /// HEAD
    Head = 2,
    /// POST
    Post = 3,
    /// PUT
    Put = 4,
    /// DELETE
    Delete = 5,
    /// OPTIONS
    Options = 6,
    /// PATCH
    Patch = 7,
}

impl Method {
    /// As written in a request line; `-` for [`Method::Other`].
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Other => "-",
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
        }
    }

    /// The method with this discriminant; [`Method::Other`] for numbers never given out.
    pub fn from_number(number: u8) -> Self {
        const ALL: [Method; 8] =
            [Method::Other, Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options, Method::Patch];
        ALL.get(usize::from(number)).copied().unwrap_or(Method::Other)
    }
}

/// Index into [`Classifier::endpoints`]: a row of the table, or one of wsim's own classes (main only, media, scanner, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u16);

/// What routing needs to know of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Endpoint {
    /// Group id: a group of the table (`sync`, `client`, `event_sending`, …) or one of wsim's own:
    /// `initial_sync`, `sliding_sync`, `admin`, `media`, `sso`, `well_known`, `health`, `client_other`, `federation_other`,
    /// `key_server`, `replication` (internal), `not_matrix`, `invalid`.
    pub group: String,
    /// Worker types that may serve it, as the table names them; empty: the main process only.
    pub workers: Vec<String>,
    /// The stream whose writer should serve it.
    pub stream: Option<String>,
    /// A condition the table attaches (`single_writer`, `same_room_same_instance`, `sso_only`, …).
    pub condition: Option<String>,
    /// Any worker may serve it although a stream writer is preferred (the same pattern also stands in a row without a
    /// stream, or the table says so). False for a stream row that only its writer (or the main process) may serve.
    pub any_worker: bool,
    /// The pattern that matched; `None` for wsim's own classes.
    pub pattern: Option<String>,
    /// Traffic between Synapse processes: never client traffic.
    pub internal: bool,
}
