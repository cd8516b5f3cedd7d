//! What cold caches cost, learnt from a log that shows requests of a class in both cache states.
//!
//! The first request of a class by a user at a process is cold, later ones within half an hour are warm ([`mark::COLD`]). Where the
//! logarithms of their CPU differ beyond chance (Welch's t) and by more than other influences explain, each state keeps its requests as
//! donors. Which users come once and which come again differs too, so a small difference counts as none. Where the log has too few of
//! either state, the class keeps its prior.
//!
//! What the process did before the log began is unknown: some first requests of a log were warm. Where the two states are far apart, a first request that
//! costs no more than warm ones do is taken for a warm one.

use std::sync::Arc;

use crate::synapse::caches::{CacheEffect, Donors};
use crate::synapse::record::{Record, mark};
use crate::synapse::workload::Class;
use wsim_stats::Interval;

/// Costs of an initial sync with cold caches divided by those with warm ones. Measured on one cluster (Synapse 1.163.2, 60 users): 64.1 ms and 8.6 ms
/// of CPU, 48 transactions and one. Two workers of another run, balanced in two ways, differed by 1.5.
pub(super) const INITIAL_SYNC: Interval = Interval { value: 4.0, low: 1.5, high: 7.5 };
/// The same for logs whose CPU is inferred: such an initial sync has the mean cost of both states.
pub(super) const INITIAL_SYNC_INFERRED: f64 = 1.5;

/// Sets the effect of caches of every class that the records show in both states, and corrects the states of the records; returns a sentence
/// about what was found.
pub(super) fn learn(records: &mut [Record], classes: &mut [Class], groups: &[String]) -> Option<String> {
    let mut states = vec![States::default(); classes.len()];
    for (record, number) in records.iter().zip(0..) {
        // A poll without news costs nothing in any state.
        if let Some(states) = states.get_mut(usize::from(record.class)).filter(|_| !record.has(mark::TIMED_OUT)) {
            states.observe(record, number);
        }
    }
    let mut shown = Vec::new();
    for (class, states) in classes.iter_mut().zip(&states) {
        if !states.are_known() {
            continue;
        }
        class.caches = CacheEffect::None;
        if states.differ() {
            let [cold, warm] = [&states.cold, &states.warm].map(|sample| chosen(&sample.records, records));
            let donors = without_warm(Donors { cold, warm });
            let group = groups.get(usize::from(class.group)).map_or("unknown", String::as_str);
            shown.push(format!(
                "{group} {:.1} ms of CPU instead of {:.1} ({} and {} requests)",
                mean_ms(&donors.cold),
                mean_ms(&donors.warm),
                donors.cold.len(),
                donors.warm.len()
            ));
            class.caches = CacheEffect::Donors(donors);
        }
    }
    correct_states(records, classes);
    (!shown.is_empty())
        .then(|| format!("The first request of its kind by a user at a process costs more than later ones: {}.", shown.join(", ")))
}

/// Takes first requests that cost no more than warm ones for warm ones.
pub(super) fn correct_states(records: &mut [Record], classes: &[Class]) {
    let most: Vec<Option<u32>> =
        classes.iter().map(|class| if let CacheEffect::Donors(donors) = &class.caches { most_of_warm(donors) } else { None }).collect();
    for record in records.iter_mut().filter(|record| record.has(mark::COLD)) {
        if most.get(usize::from(record.class)).copied().flatten().is_some_and(|most| record.cpu_us <= most) {
            record.clear(mark::COLD);
        }
    }
}

/// Donors without those whose state at the start of the log was another than it seems.
fn without_warm(donors: Donors) -> Donors {
    let Some(most) = most_of_warm(&donors) else { return donors };
    Donors { cold: donors.cold.iter().filter(|record| record.cpu_us > most).copied().collect(), ..donors }
}

/// The CPU that warm requests hardly exceed, µs; `None` unless enough cold ones are far above.
fn most_of_warm(donors: &Donors) -> Option<u32> {
    let mut warm: Vec<u32> = donors.warm.iter().map(|record| record.cpu_us).collect();
    warm.sort_unstable();
    let most = warm.get(warm.len() * 19 / 20)?.saturating_mul(5) / 4;
    let mut above: Vec<u32> = donors.cold.iter().map(|record| record.cpu_us).filter(|cpu| *cpu > most).collect();
    above.sort_unstable();
    let median = above.get(above.len() / 2)?;
    (above.len() >= REQUESTS_MIN && *median > most.saturating_mul(2)).then_some(most)
}

fn mean_ms(records: &[Record]) -> f64 {
    records.iter().map(|record| f64::from(record.cpu_us)).sum::<f64>() / 1e3 / records.len().max(1) as f64
}

/// At most [`DONORS_MAX`] of these records, evenly spaced.
fn chosen(numbers: &[u32], records: &[Record]) -> Arc<[Record]> {
    let step = numbers.len().div_ceil(DONORS_MAX).max(1);
    numbers.iter().step_by(step).filter_map(|number| records.get(*number as usize)).copied().collect()
}

/// The requests of one class.
#[derive(Debug, Clone, Default)]
struct States {
    cold: Sample,
    warm: Sample,
}

impl States {
    fn observe(&mut self, record: &Record, number: u32) {
        let sample = if record.has(mark::COLD) { &mut self.cold } else { &mut self.warm };
        sample.observe(record.cpu_us, number);
    }

    fn are_known(&self) -> bool {
        self.cold.count() >= REQUESTS_MIN && self.warm.count() >= REQUESTS_MIN
    }

    /// Whether requests with cold caches cost clearly more.
    fn differ(&self) -> bool {
        let difference = self.cold.mean_log() - self.warm.mean_log();
        let error = (self.cold.variance() / self.cold.count() as f64 + self.warm.variance() / self.warm.count() as f64).sqrt();
        difference > T_MIN * error && self.cold.mean_ms() > RATIO_MIN * self.warm.mean_ms()
    }
}

/// Requests in one state.
#[derive(Debug, Clone, Default)]
struct Sample {
    records: Vec<u32>,
    cpu_us: u64,
    log_sum: f64,
    log_squares: f64,
}

impl Sample {
    fn observe(&mut self, cpu_us: u32, number: u32) {
        self.records.push(number);
        self.cpu_us += u64::from(cpu_us);
        // Synapse's log has milliseconds: a difference of one must not count for more than it is.
        let logarithm = (f64::from(cpu_us) + RESOLUTION_US).ln();
        self.log_sum += logarithm;
        self.log_squares += logarithm * logarithm;
    }

    fn count(&self) -> usize {
        self.records.len()
    }

    fn mean_ms(&self) -> f64 {
        self.cpu_us as f64 / 1e3 / self.count().max(1) as f64
    }

    fn mean_log(&self) -> f64 {
        self.log_sum / self.count().max(1) as f64
    }

    fn variance(&self) -> f64 {
        let n = self.count() as f64;
        ((self.log_squares - self.log_sum * self.log_sum / n.max(1.0)) / (n - 1.0).max(1.0)).max(0.0)
    }
}

const REQUESTS_MIN: usize = 8;
/// A log has some fifty classes: by chance one in a thousand exceeds this.
const T_MIN: f64 = 4.0;
const RATIO_MIN: f64 = 1.2;
const DONORS_MAX: usize = 512;
const RESOLUTION_US: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of class 0 with CPU spread a third either way around `cpu_ms`.
    fn request(number: u32, cpu_ms: u32, is_cold: bool) -> Record {
        let mut record = Record::at(u64::from(number));
        (record.cpu_us, record.transactions) = (cpu_ms * 1000 * (2 + number % 3) / 3, 1);
        if is_cold {
            record.set(mark::COLD);
            record.transactions = 40;
        }
        record
    }

    fn learnt(cold: (u32, u32), warm: (u32, u32), prior: CacheEffect) -> (CacheEffect, Option<String>) {
        let mut records: Vec<Record> =
            (0..cold.0).map(|n| request(n, cold.1, true)).chain((0..warm.0).map(|n| request(n, warm.1, false))).collect();
        let mut classes = [Class { caches: prior, ..Class::plain(0) }];
        let note = learn(&mut records, &mut classes, &["initial_sync".to_owned()]);
        let [class] = classes;
        (class.caches, note)
    }

    #[test]
    fn both_states_in_the_log_give_donors_with_all_of_their_costs() {
        let (effect, note) = learnt((15, 64), (36, 9), CacheEffect::Ratio(4.0));
        let CacheEffect::Donors(donors) = effect else { panic!("{effect:?}") };
        assert!(donors.cold.iter().all(|record| record.transactions == 40 && record.cpu_us > 40_000));
        assert!(donors.warm.iter().all(|record| record.transactions == 1 && record.cpu_us < 13_000));
        assert_eq!((donors.cold.len(), donors.warm.len()), (15, 36));
        assert!(note.unwrap().contains("initial_sync 64.0 ms of CPU instead of 9.0 (15 and 36 requests)"));
        let (CacheEffect::Donors(many), _) = learnt((5000, 64), (5000, 9), CacheEffect::None) else { panic!("both states are shown") };
        assert!(many.cold.len() <= DONORS_MAX && many.warm.len() > DONORS_MAX / 2);
    }

    #[test]
    fn what_the_log_does_not_show_stays_a_prior_and_what_makes_no_difference_is_none() {
        assert_eq!(learnt((7, 64), (36, 9), CacheEffect::Ratio(4.0)), (CacheEffect::Ratio(4.0), None));
        assert_eq!(learnt((30, 10), (30, 9), CacheEffect::Ratio(4.0)), (CacheEffect::None, None));
        assert_eq!(learnt((30, 5), (30, 9), CacheEffect::None), (CacheEffect::None, None), "cheaper when cold: another kind of user");
    }

    #[test]
    fn first_requests_of_a_log_that_cost_what_warm_ones_do_were_warm() {
        let mut records: Vec<Record> = (0..12).map(|n| request(n, 45, true)).chain((0..9).map(|n| request(n, 6, true))).collect();
        records.extend((0..30).map(|n| request(n, 6, false)));
        let mut classes = [Class::plain(0)];
        assert!(learn(&mut records, &mut classes, &[]).unwrap().contains("45.0 ms of CPU instead of 6.0 (12 and 30 requests)"));
        assert_eq!(records.iter().filter(|record| record.has(mark::COLD)).count(), 12);
        // States that overlap are left as they are.
        let mut near: Vec<Record> = (0..40).map(|n| request(n, 15, true)).chain((0..40).map(|n| request(n, 9, false))).collect();
        let mut classes = [Class::plain(0)];
        assert!(learn(&mut near, &mut classes, &[]).is_some());
        assert_eq!(near.iter().filter(|record| record.has(mark::COLD)).count(), 40);
    }
}
