//! The processes of Synapse among what is scraped, by their labels, and which homeserver they belong to.
//!
//! A target's labels are those of its `process_cpu_seconds`, which has none of its own; the series of Synapse's metrics have them all, and more.
//! Targets without any metric of Synapse (exporters, Prometheus itself) are left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Labels, PrometheusError, Series};

/// One process that is scraped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) labels: Labels,
    /// Names of the homeserver, which metrics carry since Synapse 1.137.
    pub(crate) server_names: BTreeSet<String>,
}

/// The processes of one homeserver.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Targets(Vec<Target>);

impl Targets {
    /// All processes of Synapse that have one of the series.
    pub(crate) fn of(series: &[Series]) -> Self {
        let identities: BTreeSet<&Labels> = series.iter().filter(|series| series.name == CPU).map(|series| &series.labels).collect();
        let mut all = Self(identities.into_iter().map(|labels| Target { labels: labels.clone(), server_names: BTreeSet::new() }).collect());
        let mut is_synapse = vec![false; all.0.len()];
        for series in series.iter().filter(|series| series.name.starts_with("synapse_")) {
            if let Some(index) = all.index_of(&series.labels) {
                is_synapse[index] = true;
                all.0[index].server_names.extend(series.labels.get(SERVER_NAME).cloned());
            }
        }
        let mut is_synapse = is_synapse.into_iter();
        all.0.retain(|_| is_synapse.next().unwrap_or(false));
        all
    }

    /// The target whose labels are all among these: the one with most of them.
    pub(crate) fn index_of(&self, labels: &Labels) -> Option<usize> {
        let has_all = |target: &Target| target.labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        let mut found = self.0.iter().enumerate().filter(|(_, target)| has_all(target)).collect::<Vec<_>>();
        found.sort_by_key(|(_, target)| std::cmp::Reverse(target.labels.len()));
        found.first().map(|(index, _)| *index)
    }

    pub(crate) fn all(&self) -> &[Target] {
        &self.0
    }

    /// Those that have all of the labels, if they are of one homeserver.
    ///
    /// # Errors
    /// No target has the labels, or targets of several homeservers have them.
    pub(crate) fn select(self, selection: &[(String, String)], source_name: &str) -> Result<Self, PrometheusError> {
        let there = choices(&self.0);
        let has = |target: &Target, (key, value): &(String, String)| {
            target.labels.get(key) == Some(value) || key == SERVER_NAME && target.server_names.contains(value)
        };
        let chosen: Vec<Target> = self.0.into_iter().filter(|target| selection.iter().all(|wanted| has(target, wanted))).collect();
        if chosen.is_empty() {
            return Err(PrometheusError::NothingSelected { there });
        }
        let servers: BTreeSet<&String> = chosen.iter().flat_map(|target| &target.server_names).collect();
        if servers.len() > 1 || has_twins(&chosen) {
            return Err(PrometheusError::SeveralServers { source_name: source_name.to_owned(), choices: choices(&chosen) });
        }
        Ok(Self(chosen))
    }
}

/// Whether two targets differ in nothing but their `instance`, although they are numbered: Synapse's documentation gives each server an instance, and each
/// process of it a job and an index.
fn has_twins(targets: &[Target]) -> bool {
    let mut seen = BTreeSet::new();
    let numbered = |labels: &Labels| Some((labels.get("job")?.clone(), labels.get("index")?.clone()));
    targets.iter().filter_map(|target| numbered(&target.labels)).any(|identity| !seen.insert(identity))
}

/// What tells the targets apart, as the option takes it.
fn choices(targets: &[Target]) -> Vec<String> {
    let servers: BTreeSet<&String> = targets.iter().flat_map(|target| &target.server_names).collect();
    if servers.len() > 1 {
        return servers.into_iter().map(|name| format!("{SERVER_NAME}={name}")).collect();
    }
    let mut values: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (key, value) in targets.iter().flat_map(|target| &target.labels) {
        values.entry(key).or_default().insert(value);
    }
    let differing =
        ["instance", "job"].into_iter().find_map(|key| values.get_key_value(&key.to_owned()).filter(|(_, values)| values.len() > 1));
    let of =
        |(key, values): (&&String, &BTreeSet<&String>)| values.iter().take(CHOICES_MAX).map(|value| format!("{key}={value}")).collect();
    match differing {
        Some(found) => of(found),
        None => {
            values.iter().flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}"))).take(CHOICES_MAX).collect()
        }
    }
}

pub(crate) const CPU: &str = "process_cpu_seconds";

/// The label with the homeserver's name.
pub(crate) const SERVER_NAME: &str = "server_name";

/// Choices that an error lists.
const CHOICES_MAX: usize = 12;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn series(name: &str, labels: &[(&str, &str)], samples: &[(f64, f64)]) -> Series {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Series { name: name.to_owned(), labels, samples: samples.to_vec() }
    }

    fn process(job: &str, index: &str, instance: &str, server: &str) -> [Series; 2] {
        let labels = [("job", job), ("index", index), ("instance", instance)];
        let with_server = [&labels[..], &[("name", "x"), (SERVER_NAME, server)]].concat();
        let own: &[(&str, &str)] = if server.is_empty() { &with_server[..4] } else { &with_server };
        [series(CPU, &labels, &[(1.0, 1.0)]), series("synapse_background_process_ru_utime_seconds", own, &[(1.0, 1.0)])]
    }

    #[test]
    fn only_processes_of_synapse_are_targets() {
        let node = series(CPU, &[("job", "node"), ("instance", "h:9100")], &[(1.0, 1.0)]);
        let targets = Targets::of(&[&process("master", "1", "a", "")[..], &[node]].concat());
        assert_eq!(targets.all().len(), 1);
        assert_eq!(targets.all()[0].labels["job"], "master");
    }

    #[test]
    fn several_servers_are_told_apart() {
        let both = [process("master", "1", "a", "a.example"), process("master", "1", "b", "b.example")].concat();
        let error = Targets::of(&both).select(&[], "here").unwrap_err().to_string();
        assert!(error.contains("server_name=a.example, server_name=b.example"), "{error}");
        let one = Targets::of(&both).select(&[(SERVER_NAME.to_owned(), "b.example".to_owned())], "here").unwrap();
        assert_eq!(one.all()[0].labels["instance"], "b");
        let old = [process("master", "1", "a", ""), process("master", "1", "b", "")].concat();
        let error = Targets::of(&old).select(&[], "here").unwrap_err().to_string();
        assert!(error.contains("instance=a, instance=b"), "{error}");
        assert!(Targets::of(&old).select(&[("instance".to_owned(), "b".to_owned())], "here").is_ok());
        let error = Targets::of(&old).select(&[("instance".to_owned(), "c".to_owned())], "here").unwrap_err().to_string();
        assert!(error.contains("instance=a"), "{error}");
        let workers = [process("master", "1", "a", ""), process("generic_worker", "1", "a", "")].concat();
        assert_eq!(Targets::of(&workers).select(&[], "here").unwrap().all().len(), 2);
    }
}
