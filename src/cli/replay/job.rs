//! A Kubernetes job that replays in shards.

use std::fmt::Write;
use std::path::Path;

/// What the job needs to know.
pub(super) struct Job<'a> {
    /// How many shards.
    pub(super) shards: u32,
    /// The command line of one shard behind `wsim replay`, without `--shard` and `--start-at`.
    pub(super) words: &'a [String],
}

/// Writes an Indexed Job (batch/v1, Kubernetes 1.24 and later): every pod is one shard, its number the completion index. All begin at an
/// instant that whoever starts the job puts in.
///
/// # Errors
/// The file is there already, or cannot be written.
pub(super) fn write(job: &Job<'_>, path: &Path) -> std::io::Result<()> {
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
