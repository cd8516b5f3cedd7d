//! What a process's CPU was used for, where Prometheus measured it: for the reader of a report, beside the figures that the requests give.

use serde::{Deserialize, Serialize};

/// One process over the time of the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MeasuredWork {
    /// As the log or the counters call it: must be escaped.
    pub name: String,
    /// The part of the log's time in which it was measured, s.
    pub seconds: f64,
    /// CPU of the whole process, s.
    pub cpu_seconds: f64,
    /// CPU of requests, s: by Synapse's own counters, whether or not they are in the log.
    pub request_cpu_seconds: f64,
    /// CPU of background work, s.
    pub background_cpu_seconds: f64,
    /// The most expensive background work and its CPU, s; most first, at most eight.
    pub background: Vec<(String, f64)>,
    /// The most expensive servlets and their CPU, s; most first, at most eight.
    pub servlets: Vec<(String, f64)>,
    /// Share of the time in which the event loop worked, 0 to 1.
    pub loop_busy: Option<f64>,
    /// The 99th percentile of the time between two looks at its sockets, ms: upper bound of the bucket; `None` above the last bucket too.
    pub tick_p99_ms: Option<f64>,
    /// Mean wait for a database connection, ms.
    pub connection_wait_ms: Option<f64>,
    /// Largest age of an event that a sender had not processed, s.
    pub event_lag_seconds: Option<f64>,
    /// Most replication commands waiting.
    pub command_queue: Option<f64>,
}
