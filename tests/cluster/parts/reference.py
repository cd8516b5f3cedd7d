"""How fast the machine is while a run lasts: the CPU that the same small piece of work takes, again and again.

On virtual machines the same work takes up to a sixth more CPU from one quarter of an hour to the next. No model can know that, so it is measured beside
every run, for a quarter of a per cent of a core.
"""

import statistics
import threading
import time

EVERY_SECONDS = 1.0
# Two to three milliseconds: enough to be timed, too little to be in the way.
STEPS = 8_000


class Reference(threading.Thread):
    """Measures until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.times, self._stopped = [], threading.Event()

    def run(self):
        while not self._stopped.wait(EVERY_SECONDS):
            self.times.append((time.time(), piece_of_work()))

    def stop(self):
        self._stopped.set()
        if self.is_alive():
            self.join()

    def milliseconds(self, begin, end):
        """Median CPU of the piece of work between two instants, ms; None if it was never done there."""
        times = [taken for at, taken in self.times if begin <= at <= end]
        return 1000 * statistics.median(times) if times else None


def piece_of_work():
    """Seconds of CPU that the piece of work takes: an interpreter's loop with small objects, as Synapse's is."""
    began = time.thread_time()
    table = {}
    for step in range(STEPS):
        table[step & 255] = (step, str(step & 15))
    return time.thread_time() - began
