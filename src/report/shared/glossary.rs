//! The terms that the HTML reports explain, one or two sentences each, for readers who are offline.
//!
//! `docs/glossary.md` is the full list; both must define a term alike.

/// Terms and their definitions, in the order of the section "Terms".
pub(crate) const TERMS: [(&str, &str); 22] = [
    (
        "Request",
        "One HTTP request from a client or another server, as a log reports it. A request in both the proxy's and Synapse's log counts once.",
    ),
    ("Endpoint group", "Matrix API endpoints that Synapse's worker documentation lists together, such as sync or federation."),
    (
        "Long poll",
        "A /sync request that waits until there is something new or its timeout ends. While it waits, it uses memory and a connection but hardly any CPU.",
    ),
    ("Wake-up", "An event that ends the waiting of a long poll, so that Synapse has to compute and send a response."),
    (
        "Response time",
        "Time from the arrival of a request to the end of its response. The time that a long poll waits before its wake-up is excluded.",
    ),
    ("p50, p95, p99", "50 %, 95 % and 99 % of requests took at most this long."),
    (
        "Busy (utilisation)",
        "Share of one CPU core that a process uses. A Synapse process can use little more than one core, so requests queue as it approaches 100 %.",
    ),
    ("Service demand", "CPU time that requests cost, in contrast to the time that clients wait for them."),
    ("Peak", "The five minutes in which all processes together use most CPU. Plans are judged at the peak."),
    (
        "Uncertainty (a–b)",
        "The range in which a value may lie, given what was measured and what had to be assumed. A plan meets the objective only if the upper end of the range does.",
    ),
    ("Confidence", "How far the recommendation can be trusted: high, medium or low, with the reason."),
    (
        "Background CPU",
        "CPU that a process uses without any request line in the log to account for it: background jobs, garbage collection, event persistence, replication.",
    ),
    ("Coverage factor", "CPU of a whole process divided by the CPU that its request lines show."),
    ("Worker, pool", "A worker is a Synapse process besides the main process. A pool is a set of workers that serve the same endpoints."),
    ("Stream writer", "The only process that may write a stream, such as typing notifications or receipts."),
    (
        "Replication",
        "Messages between Synapse processes about new events. Every worker spends CPU on every event, so each additional worker has a cost.",
    ),
    ("Balancing by key", "All requests with the same user, room or address go to the same worker, so that its caches stay useful."),
    ("Heavy hitter", "A user, room, server or client that causes an unusually large share of the load."),
    (
        "Index of dispersion",
        "How bursty arrivals are over a time scale: 1 if requests arrive independently, more if they arrive in bursts.",
    ),
    (
        "Concentration (HHI)",
        "Sum of the squared shares of users. At 1 a single user causes all load, and balancing by user cannot spread it.",
    ),
    (
        "Back-test",
        "The observed deployment, simulated for a part of the log that was not used to fit the model, and compared with that part.",
    ),
    (
        "Replication of a simulation",
        "One simulated run of the same plan with other random numbers; the uncertainty is computed over all of them.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_defined_once() {
        let mut names: Vec<&str> = TERMS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TERMS.len());
    }
}
