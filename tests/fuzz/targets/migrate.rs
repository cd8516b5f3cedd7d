//! Fuzz target: the files of a deployment, rewritten for a plan: homeserver.yaml, a worker's file and nginx's site, with a NUL between them.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::configure::migration::{PresentProxy, migrate};
use wsim_fuzz::configure::present::Present;
use wsim_fuzz::configure::{ConfigureConfig, configure};
use wsim_fuzz::plan::{CheckedPlan, Plan, ProxyKind};
use wsim_fuzz::read::{SourceLocation, synapse::SynapseFiles};

static PLAN: LazyLock<CheckedPlan> = LazyLock::new(|| {
    let text = "name = \"p\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"s\"\nendpoints = [\"sync\"]\nworkers = 2\nnames = [\"w1\"]\n[stream_writers]\ntyping = \"w1\"\n";
    Plan::from_toml(text, "plan.toml").expect("a plan")
});

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\0');
    let mut next = || parts.next().unwrap_or_default();
    let (shared, worker, site) = (next(), next(), next());
    let mut files = SynapseFiles::default();
    if files.add(Path::new("/a/homeserver.yaml"), shared).is_err() {
        return;
    }
    let _ = files.add(Path::new("/a/w1.yaml"), worker);
    let config = ConfigureConfig { present: Some(Present::of(&files, None)), ..ConfigureConfig::default() };
    let Ok(mut configuration) = configure(&PLAN, &config) else { return };
    let rules = (1..20).map(|line| SourceLocation::new(&"/a/site".into(), line)).collect();
    let proxy = PresentProxy { kind: Some(ProxyKind::Nginx), files: vec![("/a/site".to_owned(), site.to_owned())], rules };
    migrate(&mut configuration, &config, &files, &proxy).expect("a known release");
});
