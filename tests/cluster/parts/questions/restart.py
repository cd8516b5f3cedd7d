"""A worker that is restarted under a replay: how much longer requests take in all, and until when, beside the same replay without it."""

import datetime
import re
import threading
import time
from pathlib import Path

from .. import program as processes
from .. import synapse, wsim
from . import cluster

LOG, BEGIN, END = wsim.ROOT / "samples" / "cluster", "2026-11-20T16:56:00Z", "2026-11-20T16:57:00Z"
QUESTION, WORKER, DOWN, AT, LEAD = "a worker restarted", "generic1", 10, 15, 10
SECONDS = 60


def compare(run):
    with cluster.cluster(run, "generic-2") as state:
        world = run.out / "restart-world.json"
        window = ["--from", BEGIN, "--to", END]
        words = ["--target", state["url"], "--world", world]
        wsim.call(run.program, "provision", LOG, *words, "--secret-file", state["secret_file"], *window, seconds=300)

        def replay(name, meanwhile=None):
            begin = int(time.time()) + LEAD
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin))
            with cluster.Counters(state, run.out / f"{name}-cpu.csv") as counters:
                thread = threading.Thread(target=meanwhile, args=(begin,), daemon=True) if meanwhile else None
                if thread:
                    thread.start()
                wsim.call(
                    run.program,
                    *("replay", LOG, *words, *window, "--allow-writes", "--start-at", stamp),
                    *("--json", "--out", run.out, "--name", name, "--force"),
                    accept=(0, 3),
                    seconds=300,
                )
                if thread:
                    thread.join()
            counters.began = begin
            return begin, cluster.logs(state, counters, run.out / f"{name}-logs"), counters

        begin, logs, counters = replay("restart-without")
        without = Work(logs, begin)
        answer = run.answer(
            "restart", "restart", logs, "--plan", cluster.PLANS / "generic-2.toml", "--down", f"{DOWN}s", "--process-cpu", counters.file, "--replications", 10
        )
        case = next(case for case in answer["cases"] if case["name"] == WORKER)
        waits, recovered = case["waiting_seconds"], case["recovered_seconds"]
        run.predict(QUESTION, "longer waits of all requests", waits["low"], waits["high"], "s")
        # The answer looks at means over ten seconds.
        run.predict(QUESTION, "as before, from the stop on", 0, (SECONDS if recovered is None else recovered) + 10, "s")

        def restart(begin):
            time.sleep(max(0.0, begin + AT - time.time()))
            cluster.stop(state, WORKER)
            time.sleep(max(0.0, begin + AT + DOWN - STARTS - time.time()))
            process = cluster.start(state, WORKER)
            processes.wait([process], synapse.ready, 60)

        begin, logs, _ = replay("restart-with", restart)
        work = Work(logs, begin)
        run.measured(QUESTION, "longer waits of all requests", sum(work.busy) - sum(without.busy))
        run.measured(QUESTION, "as before, from the stop on", work.recovered(without))


# Seconds that a worker needs to start.
STARTS = 4


class Work:
    """Requests at work in each second of a replay, from nginx's log without syncs, whose time is that of news."""

    def __init__(self, logs, begin):
        self.busy = [0.0] * SECONDS
        for line in Path(logs, "nginx-rich.log").read_text(errors="replace").splitlines():
            stamp, took = re.search(r"\[(\d{4}-[^\]]*)\]", line), re.search(r" rt=([0-9.]+)", line)
            if not stamp or not took or "/sync" in line:
                continue
            took = float(took[1])
            # nginx writes a request at its end, to the second.
            end = datetime.datetime.fromisoformat(stamp[1]).timestamp() + 0.5 - begin
            second = int(end - took)
            if 0 <= second < SECONDS:
                self.busy[second] += took

    def recovered(self, without):
        """Seconds from the stop until ten-second means are no more than a fifth and half a request above those without a restart."""
        usual = sum(without.busy) / SECONDS
        limit, last = max(0.2 * usual, 0.5), 0
        for second in range(AT, SECONDS - 5):
            mean = sum(self.busy[second - 5 : second + 6]) / 11 - sum(without.busy[second - 5 : second + 6]) / 11
            last = second + 1 - AT if mean > limit else last
        return last
