//! A Kubernetes job that replays in shards.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use super::super::Exit;
use super::Replay;

/// `--write-job`.
///
/// # Errors
/// The file is there already, or cannot be written.
pub(super) fn run(arguments: &Replay, shards: u32, path: &Path) -> anyhow::Result<Exit> {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "replay").skip(1).collect();
    let words = without(&words, &["--shard", "--start-at", "--write-job", "--name"]);
    write(&Job { shards, words: &words }, path).with_context(|| format!("could not write {}", path.display()))?;
    if !arguments.output.quiet {
        anstream::eprintln!("wrote {}: {shards} shards; what to put in is at its top", path.display());
    }
    Ok(Exit::Done)
}

/// Words without these options and their values.
fn without(words: &[String], options: &[&str]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if !options.contains(&name) {
            kept.push(word.clone());
        } else if name == word {
            rest.next();
        }
    }
    kept
}

/// What the job needs to know.
struct Job<'a> {
    /// How many shards.
    shards: u32,
    /// The command line of one shard behind `wsim replay`, without `--shard` and `--start-at`.
    words: &'a [String],
}

/// Writes an Indexed Job (batch/v1, Kubernetes 1.24 and later): every pod is one shard, its number the completion index. All begin at an
/// instant that whoever starts the job puts in.
///
/// # Errors
/// The file is there already, or cannot be written.
fn write(job: &Job<'_>, path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    std::io::Write::write_all(&mut file, text(job).as_bytes())
}

fn text(job: &Job<'_>) -> String {
    let mut arguments = String::new();
    for word in job.words {
        // A JSON string is a YAML string.
        let _ = writeln!(arguments, "            - {}", serde_json::Value::from(word.as_str()));
    }
    format!(
        r#"# {shards} shards of one replay. Before `kubectl apply`:
#  1. put an image with wsim in place of IMAGE, and an instant some minutes ahead in place of START (2026-11-27T10:00:00Z): all shards begin together;
#  2. make the claim `wsim-data` hold the log (or its trace.parquet) and the world file that `wsim provision` wrote.
# Afterwards: wsim merge DATA/reports/shard-*
apiVersion: batch/v1
kind: Job
metadata:
  name: wsim-replay
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: replay
          image: IMAGE
          workingDir: /data
          command: ["wsim"]
          args:
            - "replay"
{arguments}            - "--shard=$(JOB_COMPLETION_INDEX)/{shards}"
            - "--start-at=START"
            - "--name=shard-$(JOB_COMPLETION_INDEX)"
          resources:
            requests: {{cpu: "1", memory: 1Gi}}
          volumeMounts:
            - {{name: data, mountPath: /data}}
      volumes:
        - name: data
          persistentVolumeClaim: {{claimName: wsim-data}}
"#,
        shards = job.shards
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_single_shards_are_taken_out() {
        let words = ["a.log", "--shard", "0/4", "--start-at=12:00", "--load", "2", "--write-job", "x.yaml"].map(str::to_owned);
        assert_eq!(without(&words, &["--shard", "--start-at", "--write-job"]), ["a.log", "--load", "2"]);
    }

    #[test]
    fn a_job_is_yaml_whatever_the_words() {
        let words = ["/data/a: b.log".to_owned(), "--only=\"x\"".to_owned(), "--target=http://proxy:80".to_owned()];
        let text = text(&Job { shards: 4, words: &words });
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(value["spec"]["completions"], 4);
        let arguments = value["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        assert_eq!(arguments.len(), 7);
        assert_eq!((&arguments[1], &arguments[2]), (&"/data/a: b.log".into(), &"--only=\"x\"".into()));
        assert_eq!(arguments[4], "--shard=$(JOB_COMPLETION_INDEX)/4");
    }
}
