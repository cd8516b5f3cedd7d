//! Why nothing could be measured: what, where, and the way out.

use std::path::PathBuf;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// Neither a URL nor a file.
    #[error("{0} is neither a URL (http://prometheus:9090) nor a file")]
    NoSource(String),
    /// The URL is not valid.
    #[error("{0}; without a query, and with credentials in a file (--prometheus-credentials)")]
    Url(#[from] wsim_transport::TargetError),
    /// Name look-up, TLS.
    #[error("{url}: {source}")]
    Connector {
        /// The Prometheus.
        url: String,
        /// What failed.
        source: wsim_transport::ConnectorError,
    },
    /// No answer.
    #[error("{url} does not answer: {failure}; check the address and that it can be reached from this machine, or give files instead")]
    Unreachable {
        /// The Prometheus.
        url: String,
        /// What happened.
        failure: wsim_transport::Failure,
    },
    /// 401 or 403.
    #[error(
        "{url} wants credentials (status {status}): put `user:password` or a bearer token into a file and give --prometheus-credentials FILE"
    )]
    Denied {
        /// The Prometheus.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that is not Prometheus'.
    #[error(
        "{url} is not the HTTP API of a Prometheus (status {status}{why}): give the URL under which its page is served, without /graph or /api"
    )]
    NotPrometheus {
        /// The Prometheus.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with the answer, with a colon before; or nothing.
        why: String,
    },
    /// Prometheus refused a query.
    #[error("{url} refused a query: {why}")]
    Refused {
        /// The Prometheus.
        url: String,
        /// Its own words.
        why: String,
    },
    /// The answer is too long.
    #[error("{url} knows more than is read at once: choose processes with --prometheus-select, or a part of the log with --from and --to")]
    TooMuch {
        /// The Prometheus.
        url: String,
    },
    /// The system provides no event queue.
    #[error("could not start reading from Prometheus")]
    Start(#[source] std::io::Error),
    /// A file cannot be read.
    #[error("could not read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is neither exposition text nor JSON of a range query.
    #[error("{}: {problem}; expected metrics as Synapse's /_synapse/metrics writes them, or the response to a Prometheus range query", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Metrics, but not of Synapse.
    #[error("{source_name} has no metrics of Synapse in {span}{elsewhere}")]
    NoSynapse {
        /// URL or files.
        source_name: String,
        /// The log's time.
        span: String,
        /// Where it has them, and what to do.
        elsewhere: String,
    },
    /// Several homeservers.
    #[error("{source_name} has metrics of several Synapse servers: choose one of {} with --prometheus-select", .choices.join(", "))]
    SeveralServers {
        /// URL or files.
        source_name: String,
        /// As the option takes them: `server_name=a.example`.
        choices: Vec<String>,
    },
    /// A selection leaves nothing.
    #[error("--prometheus-select leaves no process: there is {}", .there.join(", "))]
    NothingSelected {
        /// As the option takes them.
        there: Vec<String>,
    },
    /// Fewer than two samples.
    #[error("{source_name} has only one sample of each process in {span}: give at least two, some seconds apart")]
    OneSample {
        /// URL or files.
        source_name: String,
        /// The log's time.
        span: String,
    },
}
