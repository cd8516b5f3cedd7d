//! Everything that commands wrote, and the search for secrets in it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use super::cells::Cell;
use crate::support::run_in;
use wsim::parquet::table_reader::TableReader;

/// Bytes that were written, by their name.
#[derive(Default)]
pub(super) struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    /// Runs a command and keeps what it prints.
    pub(super) fn run(&mut self, folder: &Path, arguments: &[&str]) {
        let (status, stdout, stderr) = run_in(folder, arguments);
        assert!((0..=3).contains(&status), "{arguments:?} ended with {status}: {stderr}");
        let kind = ["standard output", "standard error"];
        for (kind, text) in kind.into_iter().zip([stdout, stderr]) {
            self.0.push((format!("{kind} of {}", arguments.join(" ")), text.into_bytes()));
        }
    }

    pub(super) fn add(&mut self, name: &str, text: String) {
        self.0.push((name.to_owned(), text.into_bytes()));
    }

    /// Adds the files of a folder, their names, and the content of Parquet files.
    pub(super) fn add_folder(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.display().to_string();
            self.0.push((format!("the name of {name}"), name.clone().into_bytes()));
            if path.is_dir() {
                self.add_folder(&path);
                continue;
            }
            if path.extension().is_some_and(|extension| extension == "parquet") {
                self.0.push((format!("{name}, decoded"), decoded(&path)));
            }
            self.0.push((name, fs::read(&path).unwrap()));
        }
    }

    /// What a command with this word printed, for the message of a failed test.
    pub(super) fn text_of(&self, word: &str) -> String {
        let texts = self.0.iter().filter(|(name, text)| name.contains(word) && name.starts_with("standard") && !text.is_empty());
        texts.map(|(name, text)| format!("{name}: {}\n", String::from_utf8_lossy(text))).collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The cells whose secret is in an output, each with the first such output.
    pub(super) fn find<'c>(&self, cells: &'c [Cell]) -> Vec<(&'c Cell, String)> {
        // Needles by their first bytes: every byte of the outputs is looked at once.
        let mut needles: HashMap<&[u8], Vec<(usize, &[u8])>> = HashMap::new();
        let mut pairs = vec![false; 1 << 16];
        for (index, cell) in cells.iter().enumerate() {
            for needle in [Some(&cell.needle), cell.encoded.as_ref()].into_iter().flatten().map(String::as_bytes) {
                needles.entry(&needle[..START]).or_default().push((index, needle));
                pairs[pair(needle)] = true;
            }
        }
        let mut found: Vec<Option<String>> = vec![None; cells.len()];
        for (name, bytes) in &self.0 {
            for window in bytes.windows(START).enumerate().filter(|(_, window)| pairs[pair(window)]) {
                for (index, needle) in needles.get(window.1).into_iter().flatten() {
                    if found[*index].is_none() && bytes[window.0..].starts_with(needle) {
                        found[*index] = Some(name.clone());
                    }
                }
            }
        }
        cells.iter().zip(found).filter_map(|(cell, output)| Some((cell, output?))).collect()
    }
}

/// Length of the part of a needle by which it is found; secrets are longer.
const START: usize = 12;

fn pair(text: &[u8]) -> usize {
    usize::from(text[0]) << 8 | usize::from(text[1])
}

/// All names, texts and metadata of a Parquet file.
fn decoded(path: &Path) -> Vec<u8> {
    if path.ends_with("trace.parquet") {
        let (trace, header) = wsim::parquet::read(path).unwrap();
        let names = (0..trace.names.len()).map(|id| trace.names.text(wsim::trace::NameId(u32::try_from(id).unwrap())));
        return (names.collect::<Vec<_>>().join("\n") + &serde_json::to_string(&header).unwrap()).into_bytes();
    }
    let mut table = TableReader::new(File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    for group in 0..table.groups() {
        for column in ["group", "upstream", "end", "reason"] {
            let column = table.column(group, column).unwrap();
            text.extend(column.texts().unwrap().flatten().map(|text| format!("{text}\n")));
        }
    }
    text.into_bytes()
}
