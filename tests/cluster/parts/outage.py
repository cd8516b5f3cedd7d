"""A worker of a running cluster that stops in the middle of a replay, and what the replay's report must say of it."""

import os
import signal
import threading
import time


class Outage(threading.Thread):
    """Stops a process by SIGSTOP at an instant and lets it go on `seconds` later; with `kill` it ends for good."""

    def __init__(self, pid, at, seconds, kill=False):
        super().__init__(daemon=True)
        self.pid, self.at, self.seconds, self.kill = pid, at, seconds, kill

    def run(self):
        time.sleep(max(0.0, self.at - time.time()))
        if self.kill:
            os.kill(self.pid, signal.SIGKILL)
            return
        os.kill(self.pid, signal.SIGSTOP)
        try:
            time.sleep(self.seconds)
        finally:
            os.kill(self.pid, signal.SIGCONT)


def process(state, name):
    """(pid, address) of a worker, as the proxy names it."""
    pid = next(process["pid"] for process in state["processes"] if process["name"] == name)
    return pid, next(address for address, named in state["upstreams"].items() if named == name)


def named(checks, report, address, begin, end):
    """The verdict names the upstream that stopped, and when: seconds since the replay began."""
    checks.equal("a replay with a stopped worker is missed, not void", (report["missed"], report["void"]), (True, False))
    checks.holds("its verdict names the worker", address in report["verdict"], report["verdict"])
    silent = [episode for episode in report["episodes"] if episode["kind"] == "silent"]
    checks.equal("upstreams that are said to have stopped", sorted({episode["upstream"] for episode in silent}), [address])
    if not silent:
        return
    found = max(silent, key=lambda episode: episode["to_seconds"] - episode["from_seconds"])
    # The last response before and the first one after the outage are at most some seconds away from it.
    checks.holds("it is said to have stopped when it did", abs(found["from_seconds"] - begin) < 4, f"from {found['from_seconds']} s, not {begin} s")
    checks.holds("and to have gone on when it did", abs(found["to_seconds"] - end) < 6, f"to {found['to_seconds']} s, not {end} s")
    checks.note("verdict", report["verdict"])
