//! `--observed`: the deployment that wrote the logs, as a plan.

use clap::Args;

use super::UsageError;
use super::plan_arg::PlanArg;
use super::reading::{Anonymiser, anonymous_plan};
use wsim_plan::{CheckedPlan, Cpu, Plan, PresetConfig};
use wsim_profile::{ToldDeployment, ToldProcess};

/// The deployment that wrote the logs, as typed.
#[derive(Debug, Args)]
pub(super) struct ObservedArgs {
    /// Plan of the deployment that wrote the logs: CPU limits, cores of the machine
    ///
    /// Its pools, stream writers and [process.NAME] have the names or addresses that the logs show, with cpu (cores) and cpu_period (ms);
    /// [machine] cores is the number of cores that all processes share. docs/method.md has an example.
    #[allow(rustdoc::broken_intra_doc_links, reason = "[machine] is a table of the file, as users write it")]
    #[arg(long, value_name = "PLAN", help_heading = "Advice")]
    observed: Option<String>,
}

/// The deployment that wrote the logs.
#[derive(Debug, Clone)]
pub(super) struct ObservedPlan {
    plan: CheckedPlan,
}

impl ObservedArgs {
    /// Reads the plan.
    ///
    /// # Errors
    /// The file cannot be read or is not a plan.
    pub(super) fn read(&self) -> anyhow::Result<Option<ObservedPlan>> {
        let Some(text) = &self.observed else { return Ok(None) };
        let plan = PlanArg::parse(text).and_then(|plan| plan.into_plan(&PresetConfig::default()));
        let plan = plan.map_err(|error| match error.downcast::<UsageError>() {
            Ok(UsageError(why)) => UsageError(format!("--observed: {why}")).into(),
            Err(error) => error.context("--observed"),
        })?;
        Ok(Some(ObservedPlan { plan }))
    }
}

impl ObservedPlan {
    /// With the pseudonyms that the processes have in an anonymised log.
    ///
    /// # Errors
    /// The plan without its names is not a plan.
    pub(super) fn anonymised(&self, anonymiser: &Anonymiser) -> anyhow::Result<Self> {
        // Who a pool is for says nothing of its processes.
        let mut plan: Plan = self.plan.clone().into_plan();
        for pool in &mut plan.pools {
            (pool.users, pool.appservices, pool.agents) = (Vec::new(), Vec::new(), Vec::new());
            (pool.addresses, pool.tokens) = (Vec::new(), Vec::new());
        }
        Ok(Self { plan: anonymous_plan(&plan.check()?, &anonymiser.key)? })
    }

    /// What the plan says of each process, by the names that logs may give it.
    pub(super) fn told(&self) -> ToldDeployment {
        let process = |names: Vec<String>, cpu: Cpu| ToldProcess {
            names,
            is_main: false,
            in_pool: false,
            cores: cpu.cores,
            period_ms: cpu.period_ms,
        };
        let main = ToldProcess { is_main: true, ..process(vec!["main".to_owned()], self.plan.cpu_of_main()) };
        let workers = self.plan.workers().iter().map(|worker| {
            let names = std::iter::once(worker.name.clone()).chain(worker.address.clone());
            ToldProcess { in_pool: worker.pool.is_some(), ..process(names.collect(), worker.cpu) }
        });
        ToldDeployment {
            processes: std::iter::once(main).chain(workers).collect(),
            cores: self.plan.machine.as_ref().map(|machine| machine.cores),
        }
    }

    /// The machine of the plan.
    pub(super) fn machine(&self) -> Option<wsim_plan::Machine> {
        self.plan.machine.clone()
    }

    /// Standard plans with processes that may use as much CPU as those of this plan.
    pub(super) fn presets(&self, config: PresetConfig) -> PresetConfig {
        let limited = |cpu: &Cpu| !cpu.is_unlimited();
        let mut pools = self.plan.pools.iter().map(wsim_plan::Pool::cpu);
        let first = pools.next();
        PresetConfig {
            main_cpu: Some(self.plan.cpu_of_main()).filter(limited),
            worker_cpu: first.filter(|cpu| limited(cpu) && pools.all(|other| other == *cpu)),
            ..config
        }
    }
}
