//! The order of a migration, and the way back.
//!
//! Source: Synapse's docs/workers.md (restarts after changes of stream writers, senders, pushers and other roles). Processes that would
//! work against each other never run at the same time; where that is not at stake, requests are served all the time.
//!
//! ```text
//! other writers, secret, addresses   stop all ─▶ files ─▶ main ─▶ workers ─▶ proxy
//! more workers                       files ─▶ main ─▶ workers ─▶ proxy ─▶ stop those that are gone
//! fewer workers                      proxy ─▶ stop those that are gone ─▶ files ─▶ main ─▶ other workers
//! ```

use super::super::address::Address;
use super::super::platform::proxy_step;
use super::super::{Configuration, ConfigureConfig};
use super::difference::Difference;
use wsim_plan::ProxyKind;

/// A step: what to do and why, and the commands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) commands: Vec<String>,
}

/// How a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All processes stop before any starts anew.
    Stop,
    /// Fewer workers: the proxy first.
    Shrink,
    /// More workers, or others: the proxy after them.
    Grow,
    /// The proxy's rules change and nothing else.
    ProxyOnly,
}

/// What the steps are about.
pub(super) struct Scene<'a> {
    pub(super) difference: &'a Difference,
    pub(super) configuration: &'a Configuration,
    pub(super) config: &'a ConfigureConfig,
    /// The present files of Synapse that are replaced, and their replacements.
    pub(super) replaced: Vec<(String, String)>,
    /// Files of Synapse that have to be changed by hand.
    pub(super) by_hand: Vec<String>,
    /// All present files.
    pub(super) present: Vec<String>,
    /// The proxy's files that are replaced by a new version of them.
    pub(super) proxy_replaced: Vec<(String, String)>,
    /// Where the proxy's present rules are.
    pub(super) rules: String,
    /// Whether workers exist before.
    pub(super) had_workers: bool,
    /// Whether a file of Synapse changes.
    pub(super) changes_files: bool,
}

impl Scene<'_> {
    pub(super) fn order(&self) -> Order {
        let difference = self.difference;
        if difference.is_proxy_only() && !self.changes_files {
            Order::ProxyOnly
        } else if !difference.reasons_to_stop().is_empty() {
            Order::Stop
        } else if !difference.removed.is_empty() && difference.added.is_empty() {
            Order::Shrink
        } else {
            Order::Grow
        }
    }

    /// The steps forward.
    pub(super) fn forward(&self) -> Vec<Step> {
        let difference = self.difference;
        let mut steps = vec![self.save()];
        let order = self.order();
        if order != Order::ProxyOnly {
            steps.push(self.install());
        }
        if difference.gets_redis {
            steps.push(step(
                "Install and start Redis. Only Synapse's processes may reach it.",
                &["systemctl enable --now redis-server", "redis-cli ping"],
            ));
        }
        match order {
            Order::ProxyOnly => steps.push(self.reload_proxy("Let the proxy use the new rules.")),
            Order::Stop => {
                let all = self.units(&difference.removed, &difference.kept, true);
                steps.push(step(
                    &format!(
                        "Stop every process. **From here until the proxy uses its new rules all requests fail**, because {}.",
                        difference.reasons_to_stop().join("; ")
                    ),
                    &[format!("systemctl stop {all}")],
                ));
                steps.push(self.replace_files());
                steps.push(self.start_main());
                steps.extend(self.start(&self.new_workers(), "Start the workers."));
                steps.extend(self.check(&self.new_workers()));
                steps.push(self.reload_proxy("Let the proxy use its new rules. All requests are served again."));
                steps.extend(self.disable(&difference.removed));
            }
            Order::Grow => {
                steps.push(self.replace_files());
                steps.push(self.restart_main(&self.while_waiting()));
                steps.extend(self.restart(&difference.kept));
                steps.extend(self.start(&difference.added, "Start the new workers."));
                steps.extend(self.check(&self.new_workers()));
                steps.push(self.reload_proxy("Only now let the proxy send requests to them."));
                steps.extend(self.stop_removed());
            }
            Order::Shrink => {
                steps.push(self.reload_proxy("The proxy first: from now on it sends nothing to the workers that go."));
                steps.extend(self.stop_removed());
                steps.push(self.replace_files());
                steps.push(
                    self.restart_main("It takes back what the stopped workers did; until it has started, requests that it serves fail."),
                );
                steps.extend(self.restart(&difference.kept));
            }
        }
        steps.push(step(
            "Watch for an hour: 5xx responses in the proxy's log, errors in each process's log, CPU of each process. Then compare: `wsim audit` of the new files, `wsim analyse` of the new logs.",
            &[] as &[&str],
        ));
        steps
    }

    /// The way back, from any step.
    pub(super) fn back(&self) -> Vec<Step> {
        let difference = self.difference;
        let order = self.order();
        let mut steps = Vec::new();
        if order == Order::ProxyOnly {
            return vec![self.old_proxy("Let the proxy use its old rules again.")];
        }
        // Without workers before, the streams come back to the main process, and the new writers must be gone by then.
        if order == Order::Stop || !difference.streams.is_empty() {
            let mut commands = vec![format!("systemctl stop {}", self.units(&difference.added, &difference.kept, true))];
            if !difference.added.is_empty() {
                commands.push(format!("systemctl disable {}", units(&difference.added)));
            }
            steps.push(step("Stop every process. No process may keep running with the new settings.", &commands));
            steps.push(self.old_files(true));
            steps.push(self.start_main());
            steps.extend(
                self.start(&[difference.removed.clone(), difference.kept.clone()].concat(), "Start the workers that were there before."),
            );
            steps.push(self.old_proxy("Let the proxy use its old rules again."));
            return steps;
        }
        // The template of units that starts the old workers is the old one; that of the new workers is needed until they are stopped.
        let has_old_template = !difference.removed.is_empty();
        steps.push(self.old_files(has_old_template || order == Order::Shrink));
        if order == Order::Shrink {
            steps.push(self.restart_main("It gives up again what workers do."));
            steps.extend(self.restart(&difference.kept));
        }
        steps.extend(self.start(&difference.removed, "Start the workers that were stopped."));
        steps.push(self.old_proxy("Let the proxy use its old rules again: it sends nothing to new workers any more."));
        steps.extend(self.stop(&difference.added, "Stop the new workers."));
        if order == Order::Grow {
            if !has_old_template {
                steps.push(step("Put the old units back.", &self.old_units()));
            }
            steps.push(self.restart_main("It does again what the new workers did."));
            steps.extend(self.restart(&difference.kept));
        }
        steps
    }

    /// Puts the saved files of Synapse back, and the units.
    fn old_files(&self, with_units: bool) -> Step {
        let mut commands: Vec<String> = self.replaced.iter().map(|(old, _)| restored(old)).collect();
        if with_units {
            commands.extend(self.old_units());
        }
        step(
            if with_units {
                "Put the saved files and units back."
            } else {
                "Put the saved files back; running processes have read the others."
            },
            &commands,
        )
    }

    fn old_units(&self) -> Vec<String> {
        vec![
            "for unit in systemd/*; do rm -rf \"/etc/systemd/system/${unit#systemd/}\"; done".to_owned(),
            format!(
                "for unit in {BACKUP}/etc/systemd/system/matrix-synapse*; do [ ! -e \"$unit\" ] || cp -a \"$unit\" /etc/systemd/system/; done"
            ),
            "systemctl daemon-reload".to_owned(),
        ]
    }

    fn old_proxy(&self, text: &str) -> Step {
        let was_there = |old: &String| self.present.contains(old);
        let mut commands: Vec<String> = self
            .proxy_replaced
            .iter()
            .map(|(old, _)| if was_there(old) { restored(old) } else { format!("rm -f {}", shell(old)) })
            .collect();
        commands.push(reload(self.config.proxy));
        let by_hand = if self.proxy_replaced.is_empty() { " Put its saved files back first." } else { "" };
        step(&format!("{text}{by_hand}"), &commands)
    }

    fn save(&self) -> Step {
        let files: Vec<String> = self.present.iter().map(|file| shell(file)).collect();
        let mut commands = vec![format!("mkdir -p -m 0700 {BACKUP}")];
        if !files.is_empty() {
            // `cp -a --parents` with absolute paths fails in coreutils 9.1, which Debian 12 has.
            commands.push(format!(
                "for file in {}; do mkdir -p \"{BACKUP}$(dirname \"$file\")\" && cp -a \"$file\" \"{BACKUP}$file\"; done",
                files.join(" ")
            ));
        }
        commands.push(format!(
            "mkdir -p {BACKUP}/etc/systemd/system && for unit in /etc/systemd/system/matrix-synapse*; do [ ! -e \"$unit\" ] || cp -a \"$unit\" {BACKUP}/etc/systemd/system/; done"
        ));
        step("Save what there is, and make a backup of the database (`pg_dump`) and of the media folder.", &commands)
    }

    /// Puts the new files beside the present ones.
    fn install(&self) -> Step {
        let installed = &self.config.installed;
        step(
            "Copy the new files beside the present ones; no running process reads them yet. The units replace those of the same name: compare them first.",
            &[
                format!("mkdir -p {installed} && cp -r synapse {installed}/ && chown -R matrix-synapse: {installed}"),
                "cp -r systemd/. /etc/systemd/system/ && systemctl daemon-reload".to_owned(),
            ],
        )
    }

    fn replace_files(&self) -> Step {
        let commands: Vec<String> = self.replaced.iter().map(|(old, new)| format!("cp {} {}", shell(new), shell(old))).collect();
        let mut text = if commands.is_empty() {
            "The shared files stay as they are.".to_owned()
        } else {
            "Replace the shared files; owner and mode stay.".to_owned()
        };
        if !self.by_hand.is_empty() {
            text += &format!(" Change by hand: {}.", self.by_hand.join("; "));
        }
        step(&text, &commands)
    }

    fn start_main(&self) -> Step {
        step(
            "Start the main process and wait until it responds.",
            &[vec!["systemctl start matrix-synapse".to_owned()], health(&self.configuration.cluster.main)].concat(),
        )
    }

    fn restart_main(&self, note: &str) -> Step {
        let commands = [vec!["systemctl restart matrix-synapse".to_owned()], health(&self.configuration.cluster.main)].concat();
        step(&format!("Restart the main process and wait until it responds. {note}"), &commands)
    }

    /// What fails while the main process has given up work that the new workers do not get yet.
    fn while_waiting(&self) -> String {
        let mut fails: Vec<&str> = self.difference.streams.iter().map(|moved| moved.what.as_str()).collect();
        if self.difference.media {
            fails.push("media");
        }
        if fails.is_empty() {
            return "Until it responds, requests that it serves fail.".to_owned();
        }
        format!(
            "**Requests for {} can fail from here until the proxy sends them to the workers**, because the main process no longer does that work: do the next steps without a pause.",
            fails.join(", ")
        )
    }

    fn restart(&self, names: &[String]) -> Option<Step> {
        let commands: Vec<String> =
            names.iter().flat_map(|name| [vec![format!("systemctl restart {}", unit(name))], self.health_of(name)].concat()).collect();
        let moved: Vec<&str> =
            self.difference.moved.iter().map(String::as_str).filter(|name| names.iter().any(|own| own == name)).collect();
        let note = if moved.is_empty() {
            String::new()
        } else {
            format!(
                " **{} will be at another address: the proxy's rules and the worker must agree, so do this and the proxy without a pause.**",
                moved.join(", ")
            )
        };
        let text = format!("Restart the workers that stay, one after the other: each reads the new files.{note}");
        (!names.is_empty()).then(|| step(&text, &commands))
    }

    fn start(&self, names: &[String], text: &str) -> Option<Step> {
        (!names.is_empty()).then(|| step(text, &[format!("systemctl enable --now {}", units(names))]))
    }

    fn stop(&self, names: &[String], text: &str) -> Option<Step> {
        (!names.is_empty()).then(|| step(text, &[format!("systemctl disable --now {}", units(names))]))
    }

    fn stop_removed(&self) -> Option<Step> {
        self.stop(
            &self.difference.removed,
            "Wait a minute for long polls to end, then stop the workers that are not needed any more. Their files stay for the way back.",
        )
    }

    fn disable(&self, names: &[String]) -> Option<Step> {
        (!names.is_empty()).then(|| step("Let them not start again with the machine.", &[format!("systemctl disable {}", units(names))]))
    }

    fn check(&self, names: &[String]) -> Option<Step> {
        let commands: Vec<String> = names.iter().flat_map(|name| self.health_of(name)).collect();
        (!commands.is_empty())
            .then(|| step("Wait until each worker responds. If one does not, its log says why; take the way back.", &commands))
    }

    fn reload_proxy(&self, text: &str) -> Step {
        let mut text = format!("{text} {}", first_upper(proxy_step(self.config.proxy)));
        if !self.rules.is_empty() {
            text += &format!(" The present rules: {}.", self.rules);
        }
        let mut commands: Vec<String> = self.proxy_replaced.iter().map(|(old, new)| format!("cp {} {}", shell(new), shell(old))).collect();
        commands.push(reload(self.config.proxy));
        step(&text, &commands)
    }

    fn new_workers(&self) -> Vec<String> {
        self.configuration.cluster.workers.iter().map(|process| process.name.clone()).collect()
    }

    fn health_of(&self, name: &str) -> Vec<String> {
        let process = self.configuration.cluster.worker(name);
        process.and_then(|process| process.clients.as_ref()).map(health).unwrap_or_default()
    }

    fn units(&self, first: &[String], second: &[String], main: bool) -> String {
        let workers = [first, second].concat();
        let names: Vec<String> = workers.iter().map(|name| unit(name)).chain(main.then(|| "matrix-synapse".to_owned())).collect();
        names.join(" ")
    }
}

/// Puts a saved file back.
fn restored(old: &str) -> String {
    format!("cp -a {} {}", shell(&format!("{BACKUP}{old}")), shell(old))
}

fn step<C: AsRef<str>>(text: &str, commands: &[C]) -> Step {
    Step { text: text.to_owned(), commands: commands.iter().map(|command| command.as_ref().to_owned()).collect() }
}

fn unit(name: &str) -> String {
    format!("matrix-synapse-worker@{}", shell(name))
}

fn units(names: &[String]) -> String {
    names.iter().map(|name| unit(name)).collect::<Vec<_>>().join(" ")
}

fn health(address: &Address) -> Vec<String> {
    let request = match (address, address.host_port()) {
        (Address::Unix(path), _) => format!("--unix-socket {} http://localhost/health", shell(path)),
        (_, Some(host)) => format!("http://{host}/health"),
        (_, None) => return Vec::new(),
    };
    vec![format!("until curl -fsS -o /dev/null {request}; do sleep 1; done")]
}

fn reload(proxy: ProxyKind) -> String {
    match proxy {
        ProxyKind::Nginx => "nginx -t && systemctl reload nginx",
        ProxyKind::Haproxy => "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy",
        ProxyKind::Caddy => "caddy validate --config /etc/caddy/Caddyfile && systemctl reload caddy",
        ProxyKind::Traefik => "journalctl -u traefik -n 20   # Traefik reloads its dynamic files by itself",
        ProxyKind::Apache => "apachectl -t && systemctl reload apache2",
        ProxyKind::Envoy => "",
    }
    .to_owned()
}

pub(super) fn first_upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), chars.as_str()))
}

/// A word for the shell.
fn shell(text: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:@+,".contains(c)) && !text.starts_with('-');
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

const BACKUP: &str = "/var/backups/matrix-synapse-before-wsim";
