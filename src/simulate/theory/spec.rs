//! The description of a synthetic workload as text: `poisson rate=200 service=exp:5ms servers=4 balance=jsq`.
//!
//! ```text
//! ARRIVALS       poisson rate=R · deterministic rate=R · erlang shape=K rate=R · batch rate=R size=N|geometric:MEAN ·
//!                mmpp rates=R1,R2 leaves=L1,L2             (requests per second; departures from a state per second)
//! service=LAW    exp:MEAN · det:TIME · erlang:SHAPE:MEAN · hyperexp:SCV:MEAN · lognormal:SCV:MEAN · pareto:ALPHA:MEAN
//!                (times like 5ms, 250us, 1.5s; SCV is the squared coefficient of variation)
//! servers=N      1 unless given
//! balance=RULE   central (one queue for all servers) · round-robin · random · jsq · power-of-D; central unless given
//! discipline=D   fcfs · ps; fcfs unless given. With ps, balance may not be central unless there is one server
//! ```
//! In a TOML file the same texts are the values of the keys `arrivals`, `service`, `servers`, `balance`, `discipline`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::arrivals::{ArrivalLaw, BatchSize};
use super::law::ServiceLaw;

/// A synthetic workload and the station that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "FileForm")]
pub struct Synthetic {
    pub arrivals: ArrivalLaw,
    pub service: ServiceLaw,
    pub servers: u32,
    pub balance: Balance,
    pub discipline: Discipline,
}

/// How requests are distributed over servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One common queue; the first free server takes the customer that has waited longest.
    Central,
    RoundRobin,
    Random,
    /// The server with the fewest requests; ties at random.
    ShortestQueue,
    /// The server with the fewest requests among this number of different random servers; ties at random.
    PowerOf(u32),
}

/// How a server serves several requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    Fcfs,
    /// All requests at once, each at an equal part of the speed.
    ProcessorSharing,
}

impl Synthetic {
    /// Busy share of a server; 1 and more if the servers are overloaded.
    pub fn utilisation(&self) -> f64 {
        self.arrivals.rate() * self.service.mean() / f64::from(self.servers.max(1))
    }
}

/// An error in the description of a synthetic workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntheticError {
    #[error("no law of arrivals: begin with `poisson rate=200`, `deterministic`, `erlang`, `batch` or `mmpp`")]
    NoArrivals,
    #[error("unknown {what} `{word}`: expected {expected}")]
    Unknown {
        what: &'static str,
        word: String,
        /// The valid words.
        expected: &'static str,
    },
    /// A required key is missing.
    #[error("`{0}=` is missing")]
    Missing(&'static str),
    #[error("`{0}=` is given twice")]
    Twice(String),
    #[error("`{key}={value}`: expected {expected}")]
    Value {
        key: String,
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// Processor sharing has no common queue.
    #[error("`discipline=ps` has no common queue: give `balance=round-robin`, `random`, `jsq` or `power-of-2`, or one server")]
    SharedCentral,
}

impl FromStr for Synthetic {
    type Err = SyntheticError;

    fn from_str(text: &str) -> Result<Self, SyntheticError> {
        let mut words = text.split_whitespace();
        let law = words.next().ok_or(SyntheticError::NoArrivals)?;
        let mut pairs = Pairs::read(words)?;
        let arrivals = pairs.arrivals(law)?;
        let service = parse_service(&pairs.take("service").ok_or(SyntheticError::Missing("service"))?)?;
        let servers = pairs.take("servers").map_or(Ok(1), |v| whole("servers", &v))?;
        let balance = pairs.take("balance").map_or(Ok(Balance::Central), |v| parse_balance(&v))?;
        let discipline = pairs.take("discipline").map_or(Ok(Discipline::Fcfs), |v| parse_discipline(&v))?;
        pairs.finish()?;
        if discipline == Discipline::ProcessorSharing && balance == Balance::Central && servers > 1 {
            return Err(SyntheticError::SharedCentral);
        }
        Ok(Self { arrivals, service, servers, balance, discipline })
    }
}

/// The form in a file: the same texts by key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    arrivals: String,
    service: String,
    servers: Option<u32>,
    balance: Option<String>,
    discipline: Option<String>,
}

impl TryFrom<FileForm> for Synthetic {
    type Error = SyntheticError;

    fn try_from(file: FileForm) -> Result<Self, SyntheticError> {
        let mut text = format!("{} service={}", file.arrivals, file.service);
        let rest = [("servers", file.servers.map(|n| n.to_string())), ("balance", file.balance), ("discipline", file.discipline)];
        for (key, value) in rest {
            if let Some(value) = value {
                text.push_str(&format!(" {key}={value}"));
            }
        }
        text.parse()
    }
}

/// The `key=value` pairs, each to be used once.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn read<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, SyntheticError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(SyntheticError::Unknown { what: "word", word: word.to_owned(), expected: "`key=value`" });
            };
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(SyntheticError::Twice(key.to_owned()));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(index).1)
    }

    fn need(&mut self, key: &'static str) -> Result<String, SyntheticError> {
        self.take(key).ok_or(SyntheticError::Missing(key))
    }

    fn finish(self) -> Result<(), SyntheticError> {
        let expected = "rate, shape, size, rates, leaves, service, servers, balance or discipline, as the law of arrivals allows";
        match self.0.into_iter().next() {
            Some((word, _)) => Err(SyntheticError::Unknown { what: "key", word, expected }),
            None => Ok(()),
        }
    }

    fn arrivals(&mut self, law: &str) -> Result<ArrivalLaw, SyntheticError> {
        match law {
            "poisson" => Ok(ArrivalLaw::Poisson { rate: self.rate()? }),
            "deterministic" => Ok(ArrivalLaw::Deterministic { rate: self.rate()? }),
            "erlang" => Ok(ArrivalLaw::Erlang { shape: whole("shape", &self.need("shape")?)?, rate: self.rate()? }),
            "batch" => {
                let text = self.need("size")?;
                let size = match text.strip_prefix("geometric:") {
                    Some(mean) => BatchSize::Geometric(number("size", mean, |m| m >= 1.0, "a mean of 1 or more")?),
                    None => BatchSize::Fixed(whole("size", &text)?),
                };
                Ok(ArrivalLaw::Batch { rate: self.rate()?, size })
            }
            "mmpp" => Ok(ArrivalLaw::Mmpp { rates: self.pair("rates")?, leaves: self.pair("leaves")? }),
            _ => Err(SyntheticError::Unknown {
                what: "law of arrivals",
                word: law.to_owned(),
                expected: "poisson, deterministic, erlang, batch or mmpp",
            }),
        }
    }

    fn rate(&mut self) -> Result<f64, SyntheticError> {
        number("rate", &self.need("rate")?, |r| r > 0.0, "requests per second, above 0")
    }

    fn pair(&mut self, key: &'static str) -> Result<[f64; 2], SyntheticError> {
        let text = self.need(key)?;
        let expected = "two numbers above 0, such as 40,400";
        let bad = || SyntheticError::Value { key: key.to_owned(), value: text.clone(), expected };
        let (first, second) = text.split_once(',').ok_or_else(bad)?;
        Ok([number(key, first, |r| r > 0.0, expected)?, number(key, second, |r| r > 0.0, expected)?])
    }
}

fn parse_service(text: &str) -> Result<ServiceLaw, SyntheticError> {
    let parts: Vec<&str> = text.split(':').collect();
    let bad = || SyntheticError::Value {
        key: "service".to_owned(),
        value: text.to_owned(),
        expected: "exp:MEAN, det:TIME, erlang:SHAPE:MEAN, hyperexp:SCV:MEAN, lognormal:SCV:MEAN or pareto:ALPHA:MEAN",
    };
    let parameter =
        |at_least: f64| parts.get(1).and_then(|p| p.parse::<f64>().ok()).filter(|p| p.is_finite() && *p >= at_least).ok_or_else(bad);
    let mean = parts.last().and_then(|part| parse_seconds(part)).ok_or_else(bad)?;
    match (parts[0], parts.len()) {
        ("exp", 2) => Ok(ServiceLaw::Exponential { mean }),
        ("det", 2) => Ok(ServiceLaw::Deterministic { mean }),
        ("erlang", 3) => Ok(ServiceLaw::Erlang { shape: whole("service", parts[1])?, mean }),
        ("hyperexp", 3) => Ok(ServiceLaw::Hyperexponential { scv: parameter(1.0)?, mean }),
        ("lognormal", 3) => Ok(ServiceLaw::Lognormal { scv: parameter(0.0)?, mean }),
        ("pareto", 3) => Ok(ServiceLaw::Pareto { alpha: parameter(1.0 + 1e-6)?, mean }),
        _ => Err(bad()),
    }
}

/// Parses `5ms`, `250us`, `1.5s`; in seconds.
fn parse_seconds(text: &str) -> Option<f64> {
    wsim_text::parse_duration(text).map(|duration| duration.as_secs_f64()).filter(|seconds| *seconds > 0.0 && *seconds <= SECONDS_MAX)
}

fn parse_balance(text: &str) -> Result<Balance, SyntheticError> {
    if let Some(choices) = text.strip_prefix("power-of-") {
        return Ok(Balance::PowerOf(whole("balance", choices)?));
    }
    match text {
        "central" => Ok(Balance::Central),
        "round-robin" => Ok(Balance::RoundRobin),
        "random" => Ok(Balance::Random),
        "jsq" => Ok(Balance::ShortestQueue),
        _ => Err(SyntheticError::Unknown {
            what: "balance",
            word: text.to_owned(),
            expected: "central, round-robin, random, jsq or power-of-2",
        }),
    }
}

fn parse_discipline(text: &str) -> Result<Discipline, SyntheticError> {
    match text {
        "fcfs" => Ok(Discipline::Fcfs),
        "ps" => Ok(Discipline::ProcessorSharing),
        _ => Err(SyntheticError::Unknown { what: "discipline", word: text.to_owned(), expected: "fcfs or ps" }),
    }
}

fn whole(key: &str, value: &str) -> Result<u32, SyntheticError> {
    let error = || SyntheticError::Value { key: key.to_owned(), value: value.to_owned(), expected: "a whole number from 1 to 10000" };
    value.parse().ok().filter(|n| (1..=COUNT_MAX).contains(n)).ok_or_else(error)
}

fn number(key: &str, value: &str, allowed: fn(f64) -> bool, expected: &'static str) -> Result<f64, SyntheticError> {
    let error = || SyntheticError::Value { key: key.to_owned(), value: value.to_owned(), expected };
    value.parse::<f64>().ok().filter(|v| v.is_finite() && *v <= NUMBER_MAX && allowed(*v)).ok_or_else(error)
}

const COUNT_MAX: u32 = 10_000;
const NUMBER_MAX: f64 = 1e9;
const SECONDS_MAX: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Synthetic {
        text.parse().unwrap()
    }

    fn error_of(text: &str) -> String {
        text.parse::<Synthetic>().unwrap_err().to_string()
    }

    #[test]
    fn a_text_describes_a_synthetic_workload() {
        let plain = parsed("poisson rate=200 service=exp:5ms");
        assert_eq!(plain.arrivals, ArrivalLaw::Poisson { rate: 200.0 });
        assert_eq!((plain.servers, plain.balance, plain.discipline), (1, Balance::Central, Discipline::Fcfs));
        assert!((plain.utilisation() - 1.0).abs() < 1e-12);
        let rich = parsed("batch rate=50 size=geometric:2.5 service=lognormal:2:250us servers=3 balance=power-of-2 discipline=ps");
        assert_eq!(rich.service, ServiceLaw::Lognormal { scv: 2.0, mean: 250e-6 });
        assert_eq!((rich.servers, rich.balance, rich.discipline), (3, Balance::PowerOf(2), Discipline::ProcessorSharing));
        assert_eq!(parsed("mmpp rates=40,400 leaves=1,5 service=det:1s").arrivals.rate(), 100.0);
    }

    #[test]
    fn a_file_describes_the_same() {
        let file: Synthetic =
            toml::from_str("arrivals = \"erlang shape=3 rate=20\"\nservice = \"pareto:2.5:10ms\"\nservers = 2\nbalance = \"jsq\"").unwrap();
        assert_eq!(file, parsed("erlang shape=3 rate=20 service=pareto:2.5:10ms servers=2 balance=jsq"));
        assert!(toml::from_str::<Synthetic>("arrivals = \"poisson rate=1\"\nservice = \"exp:1ms\"\nsurprise = 1").is_err());
    }

    #[test]
    fn an_error_names_the_word_and_the_remedy() {
        assert_eq!(error_of("poisson rate=200"), "`service=` is missing");
        assert!(error_of("").contains("begin with `poisson rate=200`"));
        assert!(error_of("poisson rate=0 service=exp:5ms").contains("`rate=0`: expected requests per second"));
        assert!(error_of("poisson rate=1 service=exp:5").contains("`service=exp:5`"));
        assert!(error_of("poisson rate=1 size=3 service=exp:5ms").contains("unknown key `size`"));
        assert!(error_of("poisson rate=1 rate=2 service=exp:5ms").contains("twice"));
        assert!(error_of("poisson rate=1 service=exp:5ms servers=2 discipline=ps").contains("common queue"));
        assert!(error_of("poisson rate=1 service=exp:5ms balance=best").contains("unknown balance `best`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", law in "(poisson|batch|mmpp) (rate|size|rates|service)=\\PC{0,12} service=\\PC{0,12}") {
            let _ = text.parse::<Synthetic>();
            let _ = law.parse::<Synthetic>();
        }
    }
}
