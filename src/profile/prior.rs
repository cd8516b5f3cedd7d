//! Prior demand per class of request: typical costs, for logs that show no CPU.
//!
//! Measured: means over 9,900 request lines of a Synapse 1.163.2 cluster on one machine (seven processes, 60 users, 8
//! rooms, all `ru=` times summed by group of the 1.157 table), rounded. Groups with fewer than ten lines, and those without any,
//! have the value of a similar group and are marked. A real server may differ by a factor of two in either direction, logins by
//! more (bcrypt rounds). Never used without the range 0.5 to 2.

use wsim_endpoints::Endpoint;

/// Typical costs of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prior {
    /// CPU in the request's own line, µs.
    pub(crate) cpu_us: u32,
    /// Share of its work time (long-poll waiting excluded) that a request is on the CPU of an idle process, 0 to 1.
    pub(crate) cpu_share: f64,
}

/// The prior of an endpoint class: that of its pattern if the table has one, else that of its group.
pub(crate) fn prior(endpoint: &Endpoint) -> Prior {
    let group = PRIOR_OF_GROUP.iter().find(|row| row.0 == endpoint.group);
    let cpu_share = group.map_or(CPU_SHARE, |row| row.2);
    let pattern = endpoint.pattern.as_deref().unwrap_or("");
    let own = PRIOR_OF_PATTERN.iter().find(|row| row.0 == endpoint.group && pattern.contains(row.1));
    let cpu_us = own.map(|row| row.2).or(group.map(|row| row.1)).unwrap_or(CPU_US);
    Prior { cpu_us, cpu_share }
}

/// Group, CPU in µs, share of work time on the CPU (the faster half of the group's lines).
const PRIOR_OF_GROUP: &[(&str, u32, f64)] = &[
    ("sync", 3300, 0.21),
    ("sliding_sync", 5500, 0.18),
    ("initial_sync", 34_000, 0.22),
    ("client", 3500, 0.38),
    ("client_other", 1800, 0.5),
    ("encryption", 1600, 0.25),
    ("event_sending", 12_000, 0.08),
    ("delayed_events", 5000, 0.2), // by similarity
    ("pagination", 10_500, 0.17),
    ("federation", 3200, 0.28),
    ("federation_send", 3400, 0.15),
    ("federation_other", 3000, 0.28), // by similarity
    ("key_server", 1000, 0.3),        // one line
    ("registration_login", 1700, 0.17),
    ("sso_all", 3000, 0.3),  // by similarity
    ("sso_oidc", 5000, 0.3), // by similarity
    ("sso_saml", 5000, 0.3), // by similarity
    ("sso_cas", 3000, 0.3),  // by similarity
    ("sso", 3000, 0.3),      // by similarity
    ("account_data", 1200, 0.47),
    ("typing", 1700, 0.53),
    ("to_device", 2500, 0.23),
    ("receipts", 5600, 0.13),
    ("presence", 1900, 0.5),
    ("push_rules", 3000, 0.34),
    ("device_lists", 5500, 0.21),
    ("user_directory", 1800, 0.27), // four lines
    ("admin", 2900, 0.5),
    ("media", 2400, 0.25),
    ("media_admin", 4000, 0.25),               // one line
    ("quarantined_media_changes", 4000, 0.25), // by similarity
    ("groups", 3000, 0.3),                     // by similarity; the endpoints are gone since 1.61
    ("replication", 1600, 0.11),
    ("matrix_other", 1000, 0.5),  // by similarity
    ("synapse_other", 1800, 0.5), // by similarity
    ("metrics", 5000, 0.9),       // by similarity
    ("health", 200, 0.9),
    ("well_known", 300, 0.9),
    ("not_matrix", 300, 0.9),
    ("invalid", 0, 0.0), // rejected before any work, mostly by the proxy
];

/// Group, part of the pattern, CPU in µs, where one pattern costs much more or less than its group.
const PRIOR_OF_PATTERN: &[(&str, &str, u32)] = &[
    ("client", "createRoom", 40_000),
    ("client", "/context/", 15_000),
    ("client", "/publicRooms", 800),
    ("client", "/versions", 600),
    ("client", "/capabilities", 900),
    ("client", "/voip/turnServer", 600),
    ("client", "/whoami", 400),
    ("client", "/joined_rooms", 1300),
    ("event_sending", "/profile/", 1900),
    // bcrypt with the default of 12 rounds takes 100 ms and more; assumed for half of the requests to /login.
    ("registration_login", "/login$", 50_000),
];

const CPU_US: u32 = 3000;
const CPU_SHARE: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(group: &str, pattern: Option<&str>) -> Endpoint {
        Endpoint {
            group: group.to_owned(),
            workers: Vec::new(),
            stream: None,
            condition: None,
            any_worker: false,
            pattern: pattern.map(str::to_owned),
            internal: false,
        }
    }

    #[test]
    fn a_pattern_with_its_own_prior_takes_precedence_over_the_group() {
        let context = endpoint("client", Some("^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/context/.*$"));
        assert_eq!(prior(&context).cpu_us, 15_000);
        assert_eq!(prior(&endpoint("client", None)).cpu_us, 3500);
    }

    #[test]
    fn every_group_has_a_prior_and_no_other() {
        for (group, ..) in PRIOR_OF_GROUP {
            assert!(wsim_endpoints::groups::find(group).is_some(), "{group}");
        }
        for group in wsim_endpoints::groups::GROUPS {
            assert!(PRIOR_OF_GROUP.iter().any(|(id, ..)| *id == group.id), "{}", group.id);
        }
    }

    #[test]
    fn an_unknown_group_has_a_prior_too() {
        assert_eq!(prior(&endpoint("invented_in_2030", None)), Prior { cpu_us: CPU_US, cpu_share: CPU_SHARE });
    }
}
