//! A small vocabulary, so that a test reads as the sentence it checks.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// The program with its output folder in a temporary place.
pub fn wsim() -> Command {
    let mut command = Command::cargo_bin("wsim").unwrap();
    command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command
}

/// A file in `samples/`.
pub fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name).to_string_lossy().into_owned()
}

/// A finished run of `wsim analyse`.
pub struct Run {
    folder: tempfile::TempDir,
    pub output: Output,
}

impl Run {
    /// Runs `wsim analyse ARGUMENTS` into a folder named `run`.
    pub fn analyse<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = wsim().arg("analyse").args(arguments).args(["--name", "run", "--out"]).arg(folder.path()).output().unwrap();
        Self { folder, output }
    }

    /// The run's folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A file of the run as text.
    pub fn read(&self, name: &str) -> String {
        let path = self.folder().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; stderr: {}", path.display(), self.stderr()))
    }

    /// report.json.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.read("report.json")).unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }
}
