"""What `wsim simulate` predicts for a plan and a load from the logs of one run, kept in files.

A prediction that is made before the run is blind: its file has the time. A file is used again only if the calibration run, the program, the plan and
the options are the same.
"""

import hashlib
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from . import plan as planfile
from . import wsim
from .problem import Problem


class Predictor:
    """Predicts from calibration runs with one program."""

    def __init__(self, program, calibrations, folder, args):
        self.program, self.calibrations, self.args = program, calibrations, args
        self.folder = Path(folder) if folder else None
        # Programs before `--observed` do not know the period of a plan's CPU limits either.
        self.knows_limits = "--observed" in subprocess.run([program, "simulate", "--help"], capture_output=True, text=True).stdout
        self.digest = hashlib.sha256(Path(program).read_bytes()).hexdigest()[:16]

    def calibration(self, load):
        """The calibration run of this load, otherwise the first."""
        return next((run for run in self.calibrations if run.load == load), self.calibrations[0])

    def predict(self, name, load, plan_text):
        """The candidate that `wsim simulate` reports, with `predicted_at` and `seconds`, the length of the simulated time that counts."""
        calibration, words, text, observed = self._question(load, plan_text)
        key = hashlib.sha256(json.dumps([self.digest, str(calibration.name), words, text, observed]).encode()).hexdigest()[:16]
        file = self.folder and self.folder / f"{name}-load-{load:g}.json"
        if file and file.exists():
            kept = json.loads(file.read_text())
            if kept["key"] == key or self.args.keep_predictions:
                return kept["candidate"]
        candidate = self._simulate(calibration, words, text, observed)
        candidate["predicted_at"] = time.time()
        if file:
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"key": key, "calibrated_on": calibration.name, "program": self.digest, "candidate": candidate}, indent=1) + "\n")
        return candidate

    def write_report(self, load, plan_text, out):
        """Writes the report of a prediction to `out`/predicted."""
        self._simulate(*self._question(load, plan_text), out)

    def _question(self, load, plan_text):
        """The calibration run, the options, and the predicted and the observed plan as the program takes them."""
        calibration = self.calibration(load)
        observed = (calibration.folder / "plan.toml").read_text() if self.knows_limits and not self.args.not_observed else None
        text = plan_text if self.knows_limits else planfile.without_period(plan_text)
        return calibration, self._options(calibration, load), text, observed

    def _options(self, calibration, load):
        args = self.args
        words = ["--window", "all", "--growth", f"{load / calibration.load:g}", "--replications", args.replications]
        words += ["--cores", args.cores] if args.cores is not None else []
        words += [] if args.proxy_only else ["--as-logged"]
        # Every repetition replays the same users, so the prediction must not resample them.
        return [str(word) for word in [*words, "--no-resample", *(["--no-backtest"] if args.no_backtest else []), *args.simulate]]

    def _simulate(self, calibration, words, text, observed, out=None):
        logs = calibration.proxy_logs if self.args.proxy_only else [calibration.folder / "logs"]
        with tempfile.TemporaryDirectory(prefix="wsim-accuracy-") as scratch:
            scratch = Path(scratch)
            (scratch / "plan.toml").write_text(text)
            command = ["simulate", *logs, "--plan", scratch / "plan.toml", *words]
            if observed:
                (scratch / "observed.toml").write_text(observed)
                command += ["--observed", scratch / "observed.toml"]
            if not self.args.proxy_only:
                command += ["--process-cpu", calibration.folder / "process-cpu.csv"]
            command += ["--json", "--quiet", "--out", out or scratch, "--name", "predicted"]
            began = time.monotonic()
            report = json.loads(wsim.call(self.program, *command, accept=(0, 3), seconds=3600))
            if len(report["candidates"]) != 1:
                raise Problem(f"{len(report['candidates'])} candidates instead of 1")
            return {
                **report["candidates"][0],
                "seconds": report["window"]["seconds"] - report["warm_up_seconds"],
                "took_seconds": time.monotonic() - began,
            }


def load_of(folder):
    """2.8 from `load-2.8`."""
    found = re.fullmatch(r"load-([0-9.]+)", folder)
    if not found:
        raise Problem(f"{folder} is no load; write PLAN/load-1")
    return float(found[1])
