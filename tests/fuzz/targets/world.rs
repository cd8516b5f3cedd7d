//! Fuzz target: world files of `wsim provision`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::matrix::{Manifest, Script, ScriptConfig};
use wsim_fuzz::trace::Names;

fuzz_target!(|data: &[u8]| {
    if let Ok(world) = Manifest::from_json(data, Path::new("world.json")) {
        let _ = world.with_placeholder_ids();
        let script = Script::new(&world, &Names::new(), [], ScriptConfig::default());
        assert_eq!(script.rows(), 0);
    }
});
