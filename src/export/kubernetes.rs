//! A Kubernetes Job that replays in shards.

/// The text of an Indexed Job (batch/v1, Kubernetes 1.24 and later): each pod is one shard, numbered by its completion index. `arguments` are
/// those of `wsim replay`, for a single run or for one shard; options that differ between shards are left out.
pub fn replay_job(arguments: &[String], shards: u32) -> String {
    // A JSON string is a YAML string.
    let items: Vec<String> = common_to_all_shards(arguments).map(|word| format!("- {}", serde_json::Value::from(word))).collect();
    let line = "            {arguments}\n";
    let items: String = items.iter().map(|item| format!("            {item}\n")).collect();
    TEMPLATE.replace("{shards}", &shards.to_string()).replace(line, &items)
}

/// The arguments without [`PER_SHARD`] options and their values.
fn common_to_all_shards(arguments: &[String]) -> impl Iterator<Item = &str> {
    let mut is_value = false;
    arguments.iter().map(String::as_str).filter(move |word| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        let name = word.split_once('=').map_or(*word, |(name, _)| name);
        let is_per_shard = PER_SHARD.contains(&name);
        is_value = is_per_shard && name == *word;
        !is_per_shard
    })
}

/// Options that the job sets for each shard, and the one that writes it.
const PER_SHARD: [&str; 4] = ["--shard", "--start-at", "--write-job", "--name"];

const TEMPLATE: &str = include_str!("replay_job.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_single_shards_are_left_out() {
        let words = ["a.log", "--shard", "0/4", "--start-at=12:00", "--load", "2", "--write-job", "x.yaml"].map(str::to_owned);
        assert_eq!(common_to_all_shards(&words).collect::<Vec<_>>(), ["a.log", "--load", "2"]);
    }

    #[test]
    fn a_job_is_yaml_whatever_the_arguments() {
        let words = ["/data/a: b.log".to_owned(), "--only=\"{shards}\"".to_owned(), "--target=http://proxy:80".to_owned()];
        let text = replay_job(&words, 4);
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(value["spec"]["completions"], 4);
        let arguments = value["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        assert_eq!(arguments.len(), 7);
        assert_eq!((&arguments[1], &arguments[2]), (&"/data/a: b.log".into(), &"--only=\"{shards}\"".into()));
        assert_eq!(arguments[4], "--shard=$(JOB_COMPLETION_INDEX)/4");
    }
}
