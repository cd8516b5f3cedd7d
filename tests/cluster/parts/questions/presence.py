"""Presence on and off: fewer syncs and less CPU, predicted from the run with presence."""

from . import clients, cluster
from .table import noise

SECONDS, WARM_UP = 60, 8
QUESTION = "presence off"


def compare(run):
    plan = "generic-1"
    with cluster.cluster(run, plan) as state:
        on = _live(run, state, "presence-on", changes=1.0)
        answer = run.answer(
            "whatif-presence", "whatif", "presence", on["logs"], "--plan", cluster.PLANS / f"{plan}.toml", "--share", 0, "--process-cpu", on["cpu_file"]
        )
    is_on, off = (next(case for case in answer["cases"] if case["name"] == name) for name in ("as it is", "without presence"))
    # A sync of unknown cause stays in the prediction and may be one that presence woke.
    costs = answer["costs"]
    unknown = 1 - costs["polls_with_cause"] / max(1, costs["polls"])
    ratio = off["syncs_per_second"] / is_on["syncs_per_second"]
    chance = noise(on["syncs"], on["syncs"] * ratio)
    run.predict(QUESTION, "syncs, off over on", ratio * (1 - unknown) / chance, ratio * chance)
    ratios = [off["cores"][bound] / is_on["cores"][bound] for bound in ("low", "value", "high")]
    # At most what is behind presence in the lines of the log, if all other CPU falls as that of requests does.
    own = sum(costs[part] for part in ("own_cpu_seconds", "relayed_cpu_seconds", "woken_cpu_seconds")) / costs["all_cpu_seconds"]
    run.predict(QUESTION, "CPU of Synapse, off over on", min(*ratios, 1 - own) / chance, max(ratios) * chance)
    with cluster.cluster(run, plan, settings="presence:\n  enabled: false") as state:
        without = _live(run, state, "presence-off", changes=0.0)
    run.measured(QUESTION, "syncs, off over on", without["syncs"] / on["syncs"])
    run.measured(QUESTION, "CPU of Synapse, off over on", without["cores"] / on["cores"])


def _live(run, state, name, changes):
    """The same messages with and without changes of presence."""
    with clients.People(state) as people:
        people.act(WARM_UP, messages=0.5, seed=7)
        before = people.syncs
        with cluster.Counters(state, run.out / f"{name}-cpu.csv") as counters:
            people.act(SECONDS, messages=0.5, seed=8) if not changes else people.act(SECONDS, messages=0.5, presence=changes, seed=8)
        syncs = people.syncs - before
    logs = cluster.logs(state, counters, run.out / f"{name}-logs")
    return {"syncs": syncs, "cores": counters.cores, "logs": logs, "cpu_file": counters.file}
