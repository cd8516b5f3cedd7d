//! How two plans differ, besides their names.

use std::collections::BTreeMap;

use super::model::{Plan, Pool};

impl Plan {
    /// Whether only the name differs.
    pub fn is_same_besides_name(&self, other: &Self) -> bool {
        // A plan that is compared often differs early.
        self.pools == other.pools && self.difference(other).is_none()
    }

    /// The first difference besides the name, as a phrase about this plan and the other one; `None` if there is none.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let two =
            |what: &str, own: &str, other: &str| (own != other).then(|| format!("{what} is {own} in the one and {other} in the other"));
        let proxy = |plan: &Self| {
            let release = plan.proxy.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
            format!("{}{release} with {}", plan.proxy.kind.name(), plan.proxy.processes)
        };
        two("synapse", &self.synapse, &other.synapse)
            .or_else(|| two("the proxy and the number of its balancing states", &proxy(self), &proxy(other)))
            .or_else(|| self.pool_difference(other))
            .or_else(|| {
                let (own, others) = (written(&self.stream_writers), written(&other.stream_writers));
                (self.stream_writers != other.stream_writers)
                    .then(|| format!("the stream writers are {own} in the one and {others} in the other"))
            })
            .or_else(|| self.role_difference(other))
            .or_else(|| self.cpu_difference(other))
    }

    fn pool_difference(&self, other: &Self) -> Option<String> {
        let pool = |plan: &'_ Self, name: &str| plan.pools.iter().position(|pool| pool.name == name);
        if let Some(only) = self.pools.iter().find(|own| pool(other, &own.name).is_none()) {
            return Some(format!("only the one has a pool {:?}", only.name));
        }
        if let Some(only) = other.pools.iter().find(|own| pool(self, &own.name).is_none()) {
            return Some(format!("only the other has a pool {:?}", only.name));
        }
        let differing = self.pools.iter().zip(&other.pools).find(|(own, others)| own != others)?;
        if differing.0.name != differing.1.name {
            return Some("the pools are in another order".to_owned());
        }
        Some(format!("pool {:?} has {}", differing.0.name, differing.0.difference(differing.1)))
    }

    fn role_difference(&self, other: &Self) -> Option<String> {
        let differing = super::background_roles::SETTINGS
            .into_iter()
            .find(|setting| self.background_roles.workers(setting) != other.background_roles.workers(setting))?;
        let names = |plan: &Self| plan.background_roles.workers(differing).map_or_else(|| "main".to_owned(), |names| names.join(", "));
        Some(format!("{differing} is {} in the one and {} in the other", names(self), names(other)))
    }
}

impl Plan {
    fn cpu_difference(&self, other: &Self) -> Option<String> {
        let written = |value: serde_json::Result<String>| value.unwrap_or_default();
        if self.machine != other.machine {
            let machine =
                |plan: &Self| plan.machine.as_ref().map_or_else(|| "none".to_owned(), |machine| written(serde_json::to_string(machine)));
            return Some(format!("the machine is {} in the one and {} in the other", machine(self), machine(other)));
        }
        (self.processes != other.processes).then(|| {
            let (own, others) = (self::written(&self.processes), self::written(&other.processes));
            format!("the limits of single processes are {own} in the one and {others} in the other")
        })
    }
}

fn written<V: serde::Serialize>(map: &BTreeMap<String, V>) -> String {
    if map.is_empty() { "none".to_owned() } else { serde_json::to_string(map).unwrap_or_default() }
}

impl Pool {
    /// The first key of the plan file that differs, with both values.
    fn difference(&self, other: &Self) -> String {
        let fields = |pool: &Self| serde_json::to_value(pool).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
        let (own, others) = (fields(self), fields(other));
        let value = |fields: &serde_json::Map<String, serde_json::Value>, key: &str| {
            fields.get(key).map_or_else(|| format!("no {key}"), |value| format!("{key} = {value}"))
        };
        let key = own.keys().chain(others.keys()).find(|key| own.get(*key) != others.get(*key));
        key.map_or_else(
            || "other contents".to_owned(),
            |key| format!("{} in the one and {} in the other", value(&own, key), value(&others, key)),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::Plan;

    #[test]
    fn every_part_of_a_plan_but_its_name_is_a_difference() {
        let base = "name = \"a\"\nsynapse = \"1.157\"\n[proxy]\nkind = \"nginx\"\n[[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nworkers = 2\n";
        let plan = |from: &str, to: &str| {
            assert!(base.contains(from));
            Plan::from_toml(&base.replacen(from, to, 1), "p").unwrap().into_plan()
        };
        let first = plan("1.157", "1.157");
        assert_eq!(first.difference(&plan("\"a\"", "\"b\"")), None);
        assert!(first.is_same_besides_name(&plan("\"a\"", "\"b\"")));
        for (from, to, difference) in [
            ("1.157", "1.150", "synapse is 1.157 in the one and 1.150 in the other"),
            (
                "nginx",
                "haproxy",
                "the proxy and the number of its balancing states is nginx with 1 in the one and HAProxy with 1 in the other",
            ),
            ("\"nginx\"", "\"nginx\"\nprocesses = 4", "nginx with 4"),
            ("workers = 2", "workers = 3", "pool \"event\" has workers = 2 in the one and workers = 3 in the other"),
            ("workers = 2", "workers = 2\nagents = [\"x\"]", "pool \"event\" has no agents in the one and agents = [\"x\"] in the other"),
            ("\"event\"", "\"sender\"", "only the one has a pool \"event\""),
            ("workers = 2\n", "workers = 2\n[stream_writers]\ntyping = \"event1\"\n", "{\"typing\":\"event1\"}"),
            ("workers = 2\n", "workers = 2\ncpu_period = 20\n", "no cpu_period in the one and cpu_period = 20.0 in the other"),
            ("workers = 2\n", "workers = 2\n[machine]\ncores = 4\n", "the machine is none in the one and {\"cores\":4.0} in the other"),
            (
                "workers = 2\n",
                "workers = 2\n[process.main]\ncpu = 0.5\n",
                "the limits of single processes are none in the one and {\"main\":{\"cpu\":0.5}} in the other",
            ),
            (
                "workers = 2\n",
                "workers = 2\n[duties]\npusher_instances = \"pusher1\"\n",
                "pusher_instances is main in the one and pusher1 in the other",
            ),
        ] {
            let other = plan(from, to);
            let found = first.difference(&other).unwrap_or_default();
            assert!(found.contains(difference), "{from} -> {to}: {found}");
            assert!(!first.is_same_besides_name(&other));
        }
    }
}
