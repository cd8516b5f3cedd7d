//! The target of a replay: a homeserver that was checked once, or the built-in cluster, which every run starts anew.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use super::super::UsageError;
use super::super::next_steps::SameInput;
use super::super::plan_arg::PlanArg;
use super::super::provision::in_runtime;
use super::super::reading::{LogData, ReadConfig, anonymous_plan};
use super::Replay;
use super::config::{ReplayConfig, TargetChoice};
use super::emulated::EmulatedPlan;
use wsim_emulate::EmulatedCluster;
use wsim_matrix::{CheckedTarget, KnownServers, Manifest, check_target, provision};
use wsim_plan::{CheckedPlan, Plan};
use wsim_replay::ReplayedRequests;
use wsim_replay::guard::Guard;
use wsim_report::replay::Predicted;
use wsim_trace::Trace;
use wsim_trace::ingest::Progress;

/// What a target is prepared for: the command line, and what it is to send.
#[derive(Clone, Copy)]
pub(super) struct ReplayInput<'a> {
    pub(super) arguments: &'a Replay,
    pub(super) config: &'a ReplayConfig,
    pub(super) read_config: &'a ReadConfig,
    pub(super) data: &'a LogData,
    pub(super) trace: &'a Trace,
    pub(super) replayed: &'a ReplayedRequests,
    /// For each endpoint class, whether it is left out.
    pub(super) left_out: &'a [bool],
    pub(super) progress: &'a Progress,
}

impl ReplayInput<'_> {
    /// The plan of `--plan`.
    pub(super) fn plan(&self, text: &str) -> anyhow::Result<CheckedPlan> {
        let plan = PlanArg::parse(text)?;
        let is_file = matches!(plan, PlanArg::Plan(_));
        let plan = plan.into_plan(&self.data.summary.preset_config())?;
        match &self.read_config.anonymise {
            Some(anonymiser) if is_file => anonymous_plan(&plan, &anonymiser.key),
            _ => Ok(plan),
        }
    }
}

/// Where requests are sent, before any run.
pub(super) enum PreparedTarget<'a> {
    Server(Box<Server>),
    Emulated(Box<EmulatedPlan<'a>>, FirstCluster),
}

/// The cluster of the first run and its load: it is started before the run's folder, so that a cluster that cannot be started leaves none.
pub(super) type FirstCluster = Mutex<Option<(f64, Box<RunningTarget>)>>;

/// A homeserver that was checked and has a world.
pub(super) struct Server {
    shown: String,
    /// Its plan, if the user gave it.
    plan: Option<Plan>,
    target: RunningTarget,
}

/// The target of one run.
pub(super) struct RunningTarget {
    pub(super) checked: CheckedTarget,
    pub(super) world: Manifest,
    /// The built-in cluster, which stops when this is dropped.
    pub(super) cluster: Option<EmulatedCluster>,
    /// What the simulation predicts for the run; empty for a server.
    pub(super) predicted: Vec<Predicted>,
}

/// The target of one run, made for it or kept for all runs.
pub(super) enum Started<'t> {
    Kept(&'t RunningTarget),
    Made(Box<RunningTarget>),
}

impl std::ops::Deref for Started<'_> {
    type Target = RunningTarget;

    fn deref(&self) -> &RunningTarget {
        match self {
            Self::Kept(target) => target,
            Self::Made(target) => target,
        }
    }
}

impl<'a> PreparedTarget<'a> {
    /// Checks the target and reads its world, or prepares the built-in cluster.
    pub(super) fn new(input: ReplayInput<'a>) -> anyhow::Result<Self> {
        let ReplayInput { arguments, config, data, .. } = input;
        let TargetChoice::Server(target) = &config.target else {
            let plan = EmulatedPlan::new(input)?;
            let first = (config.traffic.load, Box::new(plan.start(config.traffic.load)?));
            return Ok(Self::Emulated(Box::new(plan), Mutex::new(Some(first))));
        };
        let Some(path) = &arguments.world else {
            let same = SameInput::of_logs(input.read_config, &arguments.logs);
            let provision = same.command_with("provision", &[("target", &target.to_string()), ("secret-file", "FILE")]);
            return Err(UsageError(format!(
                "--world is missing: `{provision}` creates the accounts that a replay needs, and writes the file; FILE has the \
                 registration_shared_secret of the test server's homeserver.yaml"
            ))
            .into());
        };
        let world = Manifest::load(path)?;
        let plan = arguments.plan.as_deref().map(|text| input.plan(text)).transpose()?.map(CheckedPlan::into_plan);
        let shown = target.to_string();
        let guard = Guard::new(data.origin(), config.overrides.clone());
        let checked = in_runtime(async {
            let checked = check_target(target.clone(), config.transport.clone(), guard, &KnownServers::of_world(&world)).await?;
            let mut client = wsim_transport::Client::new(checked.connector.clone());
            if !provision::has_marker_room(&mut client, &world).await? {
                let elsewhere = if world.target == shown { String::new() } else { format!(", which was created at {}", world.target) };
                anyhow::bail!("{shown} does not have the marker room of {}{elsewhere}: run wsim provision first", path.display());
            }
            Ok(checked)
        })?;
        let target = RunningTarget { checked, world, cluster: None, predicted: Vec::new() };
        Ok(Self::Server(Box::new(Server { shown, plan, target })))
    }

    /// The target of a run with this load.
    pub(super) fn start(&self, load: f64) -> anyhow::Result<Started<'_>> {
        match self {
            Self::Server(server) => Ok(Started::Kept(&server.target)),
            Self::Emulated(plan, first) => {
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|(of, _)| *of == load);
                let target = first.map_or_else(|| plan.start(load).map(Box::new), |(_, target)| Ok(target))?;
                Ok(Started::Made(target))
            }
        }
    }

    pub(super) fn is_emulated(&self) -> bool {
        matches!(self, Self::Emulated(..))
    }

    /// As the report names it.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Server(server) => Cow::Borrowed(&server.shown),
            Self::Emulated(plan, _) => Cow::Owned(format!("emulated: {}", plan.plan.name)),
        }
    }

    /// The plan of the built-in cluster, or the one that the user gave for a server.
    pub(super) fn plan(&self) -> Option<Plan> {
        match self {
            Self::Server(server) => server.plan.clone(),
            Self::Emulated(plan, _) => Some(plan.plan.clone().into_plan()),
        }
    }

    /// What that plan cannot do as written.
    pub(super) fn remarks(&self) -> &[String] {
        match self {
            Self::Server(_) => &[],
            Self::Emulated(plan, _) => &plan.remarks,
        }
    }
}
