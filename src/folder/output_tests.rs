//! What an output folder replaces and what it keeps.

use super::super::LIST_NAME;
use super::*;

fn entries(parent: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn started(parent: &Path, text: &str, force: bool) -> Result<OutputFolder, FolderError> {
    let run = OutputFolder::create(parent, "access", force)?;
    run.write("report.json", text)?;
    run.write("charts/demand.svg", "<svg/>")?;
    Ok(run)
}

fn finished(parent: &Path, text: &str, force: bool) -> Result<PathBuf, FolderError> {
    let finished = started(parent, text, force)?.finish(true)?;
    assert_eq!(finished.beside, None);
    Ok(finished.path)
}

fn text(parent: &Path, name: &str) -> String {
    fs::read_to_string(parent.join(name).join("report.json")).unwrap()
}

#[test]
fn a_run_appears_when_it_is_complete() {
    let parent = tempfile::tempdir().unwrap();
    let run = started(parent.path(), "{}", false).unwrap();
    assert!(!parent.path().join("access").exists());
    let path = run.finish(true).unwrap().path;
    assert_eq!(path, parent.path().join("access"));
    assert_eq!(text(parent.path(), "access"), "{}");
    assert_eq!(entries(parent.path()), ["access"]);
    assert_eq!(entries(&path), [LIST_NAME, "charts", "report.json"]);
}

#[test]
fn dropping_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    drop(started(&parent.path().join("a/b"), "{}", false).unwrap());
    assert!(entries(parent.path()).is_empty(), "not even the folders that were made for it");
}

#[test]
fn another_run_is_never_overwritten_without_force() {
    let parent = tempfile::tempdir().unwrap();
    finished(parent.path(), "old", false).unwrap();
    let error = finished(parent.path(), "new", false).unwrap_err();
    assert!(error.to_string().contains("--force") && error.to_string().contains("--name"), "{error}");
    assert_eq!(text(parent.path(), "access"), "old");
    assert_eq!(entries(parent.path()), ["access"]);
}

#[test]
fn force_replaces_a_run_of_wsim_when_the_new_one_is_complete() {
    let parent = tempfile::tempdir().unwrap();
    finished(parent.path(), "old", false).unwrap();
    // A file that was deleted is not in the way.
    fs::remove_file(parent.path().join("access/charts/demand.svg")).unwrap();
    drop(started(parent.path(), "dropped", true).unwrap());
    assert_eq!(text(parent.path(), "access"), "old");
    finished(parent.path(), "new", true).unwrap();
    assert_eq!(text(parent.path(), "access"), "new");
    assert_eq!(entries(parent.path()), ["access"]);
}

/// Something that a user may have done to a run.
type Change = (&'static str, fn(&Path));

const CHANGES: [Change; 7] = [
    ("notes.txt (not written by wsim)", |run| fs::write(run.join("notes.txt"), "mine").unwrap()),
    (".git/ (not written by wsim)", |run| fs::create_dir(run.join(".git")).unwrap()),
    ("report.json (changed since wsim wrote it)", |run| fs::write(run.join("report.json"), "OLD").unwrap()),
    ("charts/more/ (not written by wsim)", |run| fs::create_dir_all(run.join("charts/more/deep")).unwrap()),
    ("charts/mine.svg (not written by wsim)", |run| fs::write(run.join("charts/mine.svg"), "").unwrap()),
    #[cfg(unix)]
    ("report.json (a symbolic link)", |run| {
        fs::rename(run.join("report.json"), run.parent().unwrap().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", run.join("report.json")).unwrap();
    }),
    #[cfg(not(unix))]
    ("a.txt (not written by wsim)", |run| fs::write(run.join("a.txt"), "").unwrap()),
    ("has no list of the files", |run| fs::remove_file(run.join(LIST_NAME)).unwrap()),
];

#[test]
fn force_refuses_what_wsim_did_not_write_and_names_it() {
    for (expected, change) in CHANGES {
        let parent = tempfile::tempdir().unwrap();
        change(&finished(parent.path(), "old", false).unwrap());
        let before = entries(&parent.path().join("access"));
        let error = finished(parent.path(), "new", true).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("--name"), "{error}");
        assert_eq!(entries(&parent.path().join("access")), before);
    }
}

#[test]
fn what_appears_in_the_old_run_meanwhile_is_kept_and_the_new_one_gets_another_name() {
    for (_, change) in CHANGES {
        let parent = tempfile::tempdir().unwrap();
        let old = finished(parent.path(), "old", false).unwrap();
        let run = started(parent.path(), "new", true).unwrap();
        change(&old);
        let before = entries(&old);
        let finished = run.finish(true).unwrap();
        assert_eq!(finished.path, parent.path().join("access-2"));
        assert!(finished.beside.is_some());
        assert_eq!((entries(&old), text(parent.path(), "access-2")), (before, "new".to_owned()));
    }
}

#[test]
fn a_folder_with_a_report_of_another_program_stays() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("access");
    fs::create_dir(&folder).unwrap();
    for name in ["report.json", "plan.toml", "CHECKLIST.md", "thesis.tex"] {
        fs::write(folder.join(name), "years of work").unwrap();
    }
    for force in [false, true] {
        let error = finished(parent.path(), "new", force).unwrap_err();
        assert!(matches!(error, FolderError::Unlisted { .. }), "{error}");
    }
    assert_eq!(entries(&folder).len(), 4);
    fs::write(folder.join(LIST_NAME), r#"{"schema": "wsim.files/9", "files": []}"#).unwrap();
    assert!(matches!(finished(parent.path(), "new", true), Err(FolderError::Unlisted { .. })));
}

#[test]
fn an_empty_folder_is_used() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("access")).unwrap();
    finished(parent.path(), "new", false).unwrap();
    assert_eq!(entries(parent.path()), ["access"]);
}

#[test]
fn a_run_written_in_the_meantime_is_kept() {
    let parent = tempfile::tempdir().unwrap();
    let late = started(parent.path(), "late", false).unwrap();
    finished(parent.path(), "first", false).unwrap();
    let late = late.finish(true).unwrap();
    assert!(late.beside.as_ref().is_some_and(|why| why.contains("already exists")), "{late:?}");
    assert_eq!((text(parent.path(), "access"), text(parent.path(), "access-2")), ("first".to_owned(), "late".to_owned()));
    assert_eq!(entries(parent.path()), ["access", "access-2"]);
}

#[test]
fn an_interrupted_run_replaces_only_another_interrupted_one() {
    let parent = tempfile::tempdir().unwrap();
    finished(parent.path(), "whole", false).unwrap();
    for (name, written) in [("access-partial", "one"), ("access-partial-2", "two")] {
        let run = started(parent.path(), written, true).unwrap().finish(false).unwrap();
        assert_eq!(run.path, parent.path().join(name));
        assert!(run.beside.is_some_and(|why| why.contains("complete run")));
    }
    assert_eq!((text(parent.path(), "access"), text(parent.path(), "access-partial")), ("whole".to_owned(), "one".to_owned()));
    let run = |written: &str, whole| {
        let folder = OutputFolder::create(parent.path(), "second", true).unwrap();
        folder.write("report.json", written).unwrap();
        folder.finish(whole).unwrap().path
    };
    for (written, whole) in [("one", false), ("two", false), ("three", true)] {
        assert_eq!(run(written, whole), parent.path().join("second"));
        assert_eq!(text(parent.path(), "second"), written);
    }
}

#[test]
fn a_file_system_that_cannot_exchange_folders_renames_them_in_turn() {
    let parent = tempfile::tempdir().unwrap();
    let [new, existing, old] = ["new", "existing", "old"].map(|name| parent.path().join(name));
    fs::create_dir(&new).unwrap();
    fs::create_dir(&existing).unwrap();
    fs::write(existing.join("whole"), "").unwrap();
    rename_in_turn(&new, &existing, &old).unwrap();
    assert!(old.join("whole").exists() && !existing.join("whole").exists() && !new.exists());
    fs::rename(&old, parent.path().join("again")).unwrap();
    assert!(rename_in_turn(&new, &parent.path().join("again"), &old).is_err(), "there is no new folder any more");
    assert!(parent.path().join("again/whole").exists(), "the existing one is back");
}

#[test]
fn names_stay_in_their_folder() {
    let parent = tempfile::tempdir().unwrap();
    let long = "x".repeat(201);
    let names = [
        "",
        ".",
        "..",
        "a/b",
        "a/",
        "/tmp/x",
        ".hidden",
        "a\nb",
        "a\\b",
        "a\u{1b}[2Jb",
        "con",
        "NUL.txt",
        "lpt1",
        "a:b",
        "a.",
        "a ",
        &long,
    ];
    for name in names {
        assert!(matches!(OutputFolder::create(parent.path(), name, true), Err(FolderError::Name(..))), "{name:?}");
    }
    for name in ["console", "com", "com10", "a b", "ä", "-x", "monday.1"] {
        assert!(OutputFolder::create(parent.path(), name, true).is_ok(), "{name:?}");
    }
    let run = OutputFolder::create(parent.path(), "access", false).unwrap();
    for name in ["../escape", "/escape", ""] {
        assert!(matches!(run.write(name, ""), Err(FolderError::Name(..))));
    }
}

#[test]
fn a_path_that_is_not_a_folder_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(OutputFolder::create(&file, "access", true), Err(FolderError::NoParent { what: "a file", .. })));
    assert!(matches!(OutputFolder::create_at(&file, true), Err(FolderError::NotAFolder { what: "a file", .. })));
    for path in [".", "..", "/", "out/..", "out/."] {
        assert!(matches!(OutputFolder::create_at(Path::new(path), true), Err(FolderError::NotAFolder { .. })), "{path}");
    }
    assert_eq!(entries(parent.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_followed_to_the_parent_and_refused_as_the_folder() {
    use std::os::unix::fs::symlink;
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name);
    fs::create_dir(path("disk")).unwrap();
    symlink("disk", path("reports")).unwrap();
    symlink("nowhere", path("broken")).unwrap();
    finished(&path("reports"), "{}", false).unwrap();
    assert_eq!(entries(&path("disk")), ["access"]);
    assert!(matches!(OutputFolder::create(&path("broken"), "access", false), Err(FolderError::NoParent { .. })));
    for link in ["reports", "broken"] {
        let error = OutputFolder::create_at(&path(link), true).unwrap_err().to_string();
        assert!(error.contains("is a symbolic link, not a folder"), "{error}");
    }
    symlink("../disk", path("disk/link")).unwrap();
    assert!(matches!(OutputFolder::create(&path("disk"), "link", true), Err(FolderError::NotAFolder { .. })));
}

#[cfg(unix)]
#[test]
fn a_finished_run_is_as_readable_as_any_new_folder_and_private_files_are_not() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let run = started(parent.path(), "{}", false).unwrap();
    run.create_private("trace.parquet").unwrap();
    let path = run.finish(true).unwrap().path;
    fs::create_dir(parent.path().join("plain")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), mode(&parent.path().join("plain")));
    assert_eq!(mode(&path.join("trace.parquet")), 0o600);
    let private = OutputFolder::create_at(&parent.path().join("schedule"), false).unwrap();
    private.make_private().unwrap();
    assert_eq!(mode(&private.finish(true).unwrap().path), 0o700);
}
