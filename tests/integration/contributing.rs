//! CONTRIBUTING describes the tree as it is: its table of crates is what Cargo's manifests say, and the paths that it names exist.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn contributing() -> String {
    std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap()
}

/// Name and dependencies of each crate in the table, in order; the program is the last and depends on all.
fn crates_in_the_table() -> Vec<(String, BTreeSet<String>)> {
    let text = contributing();
    let rows = text.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].split('`').nth(1).unwrap().to_owned();
        let dependencies = cells[3].split(", ").filter(|cell| !matches!(*cell, "–" | "all")).map(str::to_owned).collect();
        (name, dependencies)
    })
    .collect()
}

/// The crates of this workspace that a manifest names under `[dependencies]`.
fn dependencies_in(manifest: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let section = text.split("[dependencies]\n").nth(1).unwrap_or_default().split("\n[").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("wsim-")?.split('.').next()).map(str::to_owned).collect()
}

#[test]
fn the_table_of_crates_is_what_the_manifests_say() {
    let table = crates_in_the_table();
    assert!(table.len() > 15, "the table was not found");
    for (name, dependencies) in &table[..table.len() - 1] {
        let manifest = root().join("src").join(name).join("Cargo.toml");
        assert_eq!(dependencies, &dependencies_in(&manifest), "dependencies of {name} in CONTRIBUTING.md and in its manifest");
    }
    let documented: BTreeSet<String> = table.iter().map(|(name, _)| name.clone()).collect();
    let on_disk = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    for folder in on_disk.filter(|folder| folder.join("Cargo.toml").exists()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(documented.contains(&name), "CONTRIBUTING.md does not name the crate {name}");
    }
}

#[test]
fn data_flows_one_way_through_the_crates() {
    let table = crates_in_the_table();
    for (index, (name, dependencies)) in table.iter().enumerate() {
        let above: BTreeSet<&String> = table[..index].iter().map(|(name, _)| name).collect();
        for dependency in dependencies {
            assert!(above.contains(dependency), "{name} depends on {dependency}, which is not above it in the table");
        }
    }
}

#[test]
fn the_paths_in_contributing_exist() {
    let text = contributing();
    let mut checked = 0;
    for word in text.split('`').skip(1).step_by(2) {
        let path = word.split_whitespace().next().unwrap_or_default();
        if ["src/", "tests/", "docs/", "samples/", "benches/"].iter().any(|start| path.starts_with(start)) {
            assert!(root().join(path).exists(), "CONTRIBUTING.md names {path}, which does not exist");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} paths were found");
}
