//! The sampled lines as every chain of wrappers shows them.

use crate::collectors::{self, Chain, Clock, Unwrapped};

/// The sample without the dress of one chain; the empty chain comes first.
pub(super) struct View<'d> {
    pub(super) chain: Chain,
    /// The number of wrappers, if most lines wear them; otherwise 0, as a few lines say nothing of the others.
    pub(super) depth: usize,
    pub(super) texts: Vec<Unwrapped<'d>>,
}

impl View<'_> {
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|text| &*text.text)
    }
}

/// The views of all chains that lines wear, and of their beginnings, the shortest first. The chains of most lines count, if they are many.
pub(super) fn views<'d>(lines: &[&'d [u8]], clock: &Clock) -> Vec<View<'d>> {
    let mut clock = clock.clone();
    let mut chains: Vec<(Chain, usize)> = Vec::new();
    for line in lines {
        let whole = collectors::chain_of(line, &mut clock);
        for len in 1..=whole.len() {
            let chain = &whole[..len];
            if let Some((_, count)) = chains.iter_mut().find(|(known, _)| known == chain) {
                *count += 1;
            } else if chains.len() < DISTINCT_MAX {
                chains.push((chain.to_vec(), 1));
            }
        }
    }
    chains.sort_by(|(a, count_a), (b, count_b)| count_b.cmp(count_a).then_with(|| a.len().cmp(&b.len())).then_with(|| a.cmp(b)));
    chains.truncate(VIEWS_MAX);
    chains.sort_by_key(|(chain, _)| chain.len());
    let chains = std::iter::once(Chain::new()).chain(chains.into_iter().map(|(chain, _)| chain));
    let view = |chain: Chain| {
        let unwrapped = lines.iter().map(|line| collectors::unwrap_whole(&chain, line, &mut clock));
        let (texts, worn): (Vec<Unwrapped<'d>>, Vec<bool>) = unwrapped.unzip();
        let worn = worn.into_iter().filter(|worn| *worn).count();
        View { depth: if worn * 2 > lines.len() { chain.len() } else { 0 }, texts, chain }
    };
    chains.map(view).collect()
}

/// ` behind syslog or the journal, colours`; empty without a dress.
pub(super) fn behind(chain: &[collectors::Wrapper]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for wrapper in chain {
        if !names.contains(&wrapper.name()) {
            names.push(wrapper.name());
        }
    }
    if names.is_empty() { String::new() } else { format!(" behind {}", names.join(", ")) }
}

const DISTINCT_MAX: usize = 64;
const VIEWS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::Wrapper;
    use crate::{StampReader, Zone};

    #[test]
    fn plain_lines_have_one_view_and_dressed_ones_one_for_each_dress() {
        let clock = Clock::new(StampReader::new(Zone::utc()), 0);
        let access: &[u8] = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 5 "-" "a""#;
        let synapse: &[u8] = b"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 12 - INFO - GET-1 - x";
        assert_eq!(views(&[access, synapse], &clock).len(), 1);
        let dressed = [b"\x1b[36mnginx-1  | \x1b[0m", access].concat();
        let views = views(&[&dressed, access], &clock);
        let chains: Vec<&[Wrapper]> = views.iter().map(|view| &view.chain[..]).collect();
        assert_eq!(chains, [&[][..], &[Wrapper::Colour], &[Wrapper::Colour, Wrapper::Compose]]);
        assert!(views[2].lines().all(|line| line == access));
        assert_eq!(behind(chains[2]), " behind colours, names of containers");
    }
}
