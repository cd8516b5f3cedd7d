//! Shell completions and manual pages are well formed.

use std::process::Command;

use crate::support::wsim;

fn generate(arguments: &[&str]) -> String {
    let output = wsim().arg("generate").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_accepts_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("wsim.bash");
    std::fs::write(&script, generate(&["completions", "bash"])).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn completions_of_every_shell_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = generate(&["completions", shell]);
        for word in ["analyse", "simulate", "replay", "configure", "quiet"] {
            assert!(script.contains(word), "{shell}: {word} is missing");
        }
    }
}

#[test]
fn a_manual_page_has_the_standard_sections() {
    let folder = tempfile::tempdir().unwrap();
    generate(&["man", "--out", folder.path().to_str().unwrap()]);
    for (name, title) in [("wsim.1", ".TH wsim 1"), ("wsim-analyse.1", ".TH wsim-analyse 1")] {
        let page = std::fs::read_to_string(folder.path().join(name)).unwrap();
        for section in [title, ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(page.contains(section), "{name}: {section} is missing");
        }
    }
    assert!(generate(&["man"]).contains(".SH SYNOPSIS"));
}
