"""A size that was made without a log, against the real log of samples/cluster. Needs no cluster; tests/integration/questions.rs holds the same."""

from .. import wsim

QUESTION = "a size without a log"
# What is told of that cluster: accounts, who is online, rooms, a bridge, and how much people, bridge and the other server write.
TOLD = [
    *("--users", 40, "--rooms", 26, "--bridges", 1, "--simulated", 0),
    *(word for habit in ("online=0.325", "devices=1", "messages_per_hour=332", "bridge_messages_per_hour=1500") for word in ("--assume", habit)),
    *("--assume", "federation_floor_small=1200..2000"),
]


def compare(run):
    answer = run.answer("size", "size", *TOLD)
    figures = {"requests_per_second": "requests a second", "syncs_per_second": "syncs a second", "events_per_second": "events a second"}
    for key, what in {**figures, "request_cores": "CPU in request lines"}.items():
        run.predict(QUESTION, what, answer[key]["low"], answer[key]["high"], "cores" if key == "request_cores" else "")
    analysis = run.answer("size-analysis", "analyse", wsim.ROOT / "samples" / "cluster", "--out", run.out / "size-report")
    seconds = analysis["window"]["seconds"]
    groups = [group for group in analysis["groups"] if not group["internal"]]
    syncs = sum(group["requests"] for group in groups if group["id"] in ("sync", "sliding_sync"))
    run.measured(QUESTION, "requests a second", sum(group["requests"] for group in groups) / seconds)
    run.measured(QUESTION, "syncs a second", syncs / seconds)
    run.measured(QUESTION, "events a second", analysis["events_per_second"]["mean"])
    run.measured(QUESTION, "CPU in request lines", sum(group["cpu_seconds"] or 0.0 for group in groups) / seconds)
