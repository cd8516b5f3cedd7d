//! What logs can answer, what is missing for what, and how to get it: the questions of an administrator, judged by the rules that the reports
//! themselves apply.

use serde::Serialize;

use wsim_profile::{DemandMethod, Profile};
use wsim_text::{duration, list, plural, quoted};

/// What is known of the inputs besides their requests.
#[derive(Debug, Clone, Default)]
pub struct InputFacts {
    /// Format of the proxy's log with most requests, if there is one.
    pub proxy_format: Option<String>,
    /// Whether there is a log of a Synapse process.
    pub has_synapse_log: bool,
    /// Requests that both a proxy and Synapse logged.
    pub joined: u64,
    /// How far the proxy's clock is behind Synapse's, µs.
    pub clock_offset_us: i64,
    /// Whether requests have users, rather than address and user agent in place of them.
    pub users_are_named: bool,
    /// The deployment was told (`--observed`).
    pub is_deployment_told: bool,
}

/// How far a question can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    /// With wide ranges, or in part.
    Roughly,
    No,
}

impl Answer {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Roughly => "roughly",
            Self::No => "no",
        }
    }
}

/// A question, how far the inputs answer it, and what would answer it better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// For programs: `workers`, `busy`, `response_times`, `peak`, `causes`, `waiting`, `database`, `memory`.
    pub id: &'static str,
    pub question: &'static str,
    pub answer: Answer,
    /// What it rests on, or what is missing; a phrase without a full stop.
    pub why: String,
    /// What to do for a better answer; `None` if there is none.
    pub how: Option<String>,
    /// Lines of a configuration that do it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<&'static str>,
}

/// All questions, the most important first.
pub fn questions(profile: &Profile, facts: &InputFacts) -> Vec<Question> {
    vec![
        workers(profile, facts),
        busy(profile, facts),
        response_times(profile, facts),
        peak(profile),
        causes(profile, facts),
        waiting(facts),
        database(profile, facts),
        memory(profile),
    ]
}

fn workers(profile: &Profile, facts: &InputFacts) -> Question {
    let of = |answer, why: String, how: Option<&str>, lines: &[&'static str]| Question {
        id: "workers",
        question: "Do I need workers, and how many?",
        answer,
        why,
        how: how.map(str::to_owned),
        lines: lines.to_vec(),
    };
    if profile.deployment.too_partial {
        let why: Vec<&str> = profile.deployment.obstacles().collect();
        return of(Answer::No, why.join("; "), Some("give the logs of all Synapse processes of the same time"), &[]);
    }
    match profile.demand.method {
        DemandMethod::Logged if profile.coverage.measured => {
            of(Answer::Yes, "CPU of requests and of processes is measured".to_owned(), None, &[])
        }
        DemandMethod::Logged => of(
            Answer::Roughly,
            "CPU of requests is logged, background CPU is assumed (a factor of 1.6 to 2.0)".to_owned(),
            Some(
                "measure the CPU of each process while the log is written (wsim record, --process-cpu), or read it from the Prometheus that scrapes Synapse (--prometheus)",
            ),
            &[],
        ),
        DemandMethod::Regression => of(
            Answer::Roughly,
            "CPU of requests is fitted to that of processes".to_owned(),
            Some("add Synapse's own logs; request lines are logged at INFO by synapse.access.*"),
            &SYNAPSE_LOG,
        ),
        DemandMethod::ProcessorSharing | DemandMethod::Prior | DemandMethod::None => {
            let why = "CPU is inferred from the proxy's times: the order of plans can be trusted, the number of workers cannot";
            let how = if facts.has_synapse_log {
                "log requests at INFO in Synapse"
            } else {
                "add Synapse's own logs; request lines are logged at INFO by synapse.access.*"
            };
            of(Answer::No, why.to_owned(), Some(how), &SYNAPSE_LOG)
        }
    }
}

fn busy(profile: &Profile, facts: &InputFacts) -> Question {
    let processes = &profile.deployment.processes;
    let without: Vec<String> = processes.iter().filter(|process| !process.own_log).map(|process| quoted(&process.name)).collect();
    let limited = processes.iter().any(|process| process.cpu_limit.is_some());
    let (answer, why, how) = if processes.is_empty() {
        (Answer::No, "no log says which process served a request".to_owned(), Some("add Synapse's logs, or log the upstream in the proxy"))
    } else if !without.is_empty() {
        let some: Vec<String> = without.iter().take(NAMES_SHOWN).cloned().collect();
        let more = without.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (Answer::Roughly, format!("the logs of {}{more} are missing", list(&some)), Some("give the log of every Synapse process"))
    } else if limited && !facts.is_deployment_told {
        (
            Answer::Roughly,
            "a process seems to have less than a core".to_owned(),
            Some("tell the deployment and its CPU limits (--observed)"),
        )
    } else {
        let seen = plural(processes.len() as u64, "process", "processes");
        (Answer::Yes, format!("{seen}, each with its own log"), None)
    };
    Question { id: "busy", question: "How busy is each process now?", answer, why, how: how.map(str::to_owned), lines: Vec::new() }
}

fn response_times(profile: &Profile, facts: &InputFacts) -> Question {
    let timed = profile.work_ms.is_some();
    let is_logged = profile.demand.method == DemandMethod::Logged;
    let (answer, why, how) = match (timed, is_logged) {
        (false, _) => (Answer::No, "no response times are logged", Some("log the time of each request in milliseconds")),
        (true, false) => (Answer::Roughly, "CPU and database time are inferred, so intervals are wide", Some("add Synapse's own logs")),
        (true, true) if facts.is_deployment_told => {
            (Answer::Yes, "CPU, database time and durations are logged, and the deployment is told", None)
        }
        (true, true) => {
            (Answer::Yes, "CPU, database time and durations are logged", Some("if processes have CPU limits, tell them with --observed"))
        }
    };
    Question {
        id: "response_times",
        question: "What would response times be with other plans?",
        answer,
        why: why.to_owned(),
        how: how.map(str::to_owned),
        lines: if timed { Vec::new() } else { log_lines(facts.proxy_format.as_deref()) },
    }
}

fn peak(profile: &Profile) -> Question {
    let seconds = profile.observed_seconds();
    let answer = match seconds {
        _ if seconds >= 7.0 * DAY_SECONDS => Answer::Yes,
        _ if seconds >= DAY_SECONDS => Answer::Roughly,
        _ => Answer::No,
    };
    let how = match answer {
        Answer::Yes => None,
        Answer::Roughly => Some("give a week: it shows the week's peak"),
        Answer::No => Some("give at least a full day, better a week; rotated and compressed files are read too"),
    };
    Question {
        id: "peak",
        question: "When is the peak, and how high?",
        answer,
        why: format!("the logs cover {}", duration(seconds)),
        how: how.map(str::to_owned),
        lines: Vec::new(),
    }
}

fn causes(profile: &Profile, facts: &InputFacts) -> Question {
    let rooms = !profile.heavy_hitters.rooms.is_empty();
    let (answer, why, how) = match (facts.users_are_named, rooms) {
        (true, _) => (Answer::Yes, "requests have users and rooms", None),
        (false, _) => (
            Answer::Roughly,
            "users are told apart by address and user agent",
            Some("log the user in the proxy, never the token, or add Synapse's logs"),
        ),
    };
    Question {
        id: "causes",
        question: "Which users, rooms and clients cause the load?",
        answer,
        why: why.to_owned(),
        how: how.map(str::to_owned),
        lines: if answer == Answer::Yes { Vec::new() } else { log_lines(facts.proxy_format.as_deref()) },
    }
}

fn waiting(facts: &InputFacts) -> Question {
    let has_proxy = facts.proxy_format.is_some();
    let (answer, why, how) = match (has_proxy, facts.has_synapse_log) {
        (true, true) if facts.joined > 0 => {
            let clocks = if facts.clock_offset_us == 0 {
                String::new()
            } else {
                format!(", after the proxy's clock was moved by {}", duration(facts.clock_offset_us.unsigned_abs() as f64 / 1e6))
            };
            (Answer::Yes, format!("the proxy's and Synapse's lines are joined{clocks}"), None)
        }
        (true, true) => (
            Answer::No,
            "no request is in both the proxy's and Synapse's logs".to_owned(),
            Some("give logs of the same time; check the clocks and time zones (--tz)"),
        ),
        (true, false) => (Answer::Roughly, "only the proxy's times are known".to_owned(), Some("add Synapse's own logs of the same time")),
        (false, _) => (Answer::No, "there is no proxy's log".to_owned(), Some("add the proxy's access log of the same time")),
    };
    Question {
        id: "waiting",
        question: "How long do clients wait outside Synapse?",
        answer,
        why,
        how: how.map(str::to_owned),
        lines: Vec::new(),
    }
}

fn database(profile: &Profile, facts: &InputFacts) -> Question {
    let (answer, why, how) = match profile.database.as_ref().map(|database| database.cpu_cores) {
        Some(Some(_)) => (Answer::Yes, "transactions are logged and PostgreSQL's CPU is measured", None),
        Some(None) => (
            Answer::Roughly,
            "transactions are logged",
            Some("measure PostgreSQL's CPU as well (a name that begins with postgres in --process-cpu)"),
        ),
        None if facts.has_synapse_log => (Answer::No, "the log shows no transactions", Some("log Synapse's request lines at INFO")),
        None => (Answer::No, "only Synapse logs transactions", Some("add Synapse's own logs")),
    };
    Question {
        id: "database",
        question: "Is the database the limit?",
        answer,
        why: why.to_owned(),
        how: how.map(str::to_owned),
        lines: Vec::new(),
    }
}

fn memory(profile: &Profile) -> Question {
    let known = !profile.memory.is_empty();
    Question {
        id: "memory",
        question: "Would more workers fit into memory?",
        answer: if known { Answer::Yes } else { Answer::No },
        why: if known { "resident memory is measured" } else { "no log shows memory" }.to_owned(),
        how: (!known).then(|| "measure memory beside CPU (the column rss_bytes in --process-cpu)".to_owned()),
        lines: Vec::new(),
    }
}

/// The lines of a proxy's configuration that log what wsim can use. The formats are those that `wsim configure` writes.
fn log_lines(format: Option<&str>) -> Vec<&'static str> {
    let Some(format) = format else { return Vec::new() };
    let is = |name: &str| format.to_ascii_lowercase().contains(name);
    if is("nginx") {
        NGINX_LOG.to_vec()
    } else if is("apache") {
        APACHE_LOG.to_vec()
    } else if is("haproxy") {
        HAPROXY_LOG.to_vec()
    } else if is("traefik") {
        TRAEFIK_LOG.to_vec()
    } else {
        Vec::new()
    }
}

/// nginx 1.22, `ngx_http_log_module`; the user as in Synapse's docs/workers.md.
const NGINX_LOG: [&str; 3] = [
    "map $http_authorization $wsim_user { default \"\"; \"~^Bearer syt_(?<localpart>[^_]+)_\" $localpart; }",
    "log_format wsim '$remote_addr - $remote_user [$time_iso8601] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" '",
    "                'rt=$request_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status rid=$request_id user=$wsim_user';",
];
/// Apache 2.4, `mod_log_config`.
const APACHE_LOG: [&str; 1] =
    ["LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b \\\"%{Referer}i\\\" \\\"%{User-Agent}i\\\" %D %{BALANCER_WORKER_NAME}e\" wsim"];
/// HAProxy 2.6, configuration manual 8.2.3.
const HAPROXY_LOG: [&str; 1] = ["option httplog"];
/// Traefik 3, access logs.
const TRAEFIK_LOG: [&str; 3] =
    ["accessLog:", "  format: json", "  fields: { headers: { defaultMode: drop, names: { User-Agent: keep } } }"];
/// Synapse's log configuration: the loggers of request lines, below which nothing is written at WARNING.
const SYNAPSE_LOG: [&str; 3] = ["root: { level: INFO, handlers: [file] }", "loggers:", "  synapse.access: { level: INFO }"];
const DAY_SECONDS: f64 = 86_400.0;
const NAMES_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;

    fn answer(questions: &[Question], id: &str) -> Answer {
        questions.iter().find(|question| question.id == id).map(|question| question.answer).unwrap()
    }

    #[test]
    fn a_measured_week_answers_how_many_workers_and_when_the_peak_is() {
        let profile = ProfileFixture::new().class("sync", 0.1, 10).build();
        let facts = InputFacts { has_synapse_log: true, users_are_named: true, ..InputFacts::default() };
        let all = questions(&profile, &facts);
        assert_eq!((answer(&all, "workers"), answer(&all, "peak"), answer(&all, "causes")), (Answer::Yes, Answer::Yes, Answer::Yes));
        assert_eq!((answer(&all, "memory"), answer(&all, "waiting")), (Answer::No, Answer::No));
        let unmeasured = ProfileFixture::new().class("sync", 0.1, 10).coverage(1.6, 1.8, 2.0).unmeasured().window_seconds(3600).build();
        let all = questions(&unmeasured, &facts);
        assert_eq!((answer(&all, "workers"), answer(&all, "peak")), (Answer::Roughly, Answer::No));
    }

    #[test]
    fn whatever_is_not_answered_says_what_to_do() {
        let inferred = ProfileFixture::new().demand(0.5, 1.0, 2.0).window_seconds(60).build();
        let facts = InputFacts { proxy_format: Some("nginx combined".to_owned()), ..InputFacts::default() };
        let all = questions(&inferred, &facts);
        assert_eq!(answer(&all, "workers"), Answer::No);
        for question in &all {
            assert_eq!(question.how.is_none(), question.answer == Answer::Yes, "{question:?}");
        }
        let causes = all.iter().find(|question| question.id == "causes").unwrap();
        assert!(causes.lines.iter().any(|line| line.starts_with("log_format")), "{causes:?}");
    }

    #[test]
    fn requests_of_both_logs_are_joined_or_the_clocks_are_asked_after() {
        let profile = ProfileFixture::new().class("sync", 0.1, 10).build();
        let of = |joined, clock_offset_us| {
            let facts = InputFacts {
                proxy_format: Some("nginx".to_owned()),
                has_synapse_log: true,
                joined,
                clock_offset_us,
                ..InputFacts::default()
            };
            questions(&profile, &facts).into_iter().find(|question| question.id == "waiting").unwrap()
        };
        assert_eq!(of(5, 0).why, "the proxy's and Synapse's lines are joined");
        assert!(of(5, 3_600_000_000).why.ends_with("moved by 1 h"), "{}", of(5, 3_600_000_000).why);
        assert_eq!(of(0, 0).answer, Answer::No);
    }
}
