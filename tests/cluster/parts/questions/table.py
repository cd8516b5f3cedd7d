"""What was predicted, kept in files before anything is measured, and what was measured."""

import json
import time
from pathlib import Path

from .. import wsim
from ..problem import Problem, say


class Run:
    """One run of the command: the program under test, where results go, and the rows of the table."""

    def __init__(self, program, out, base_port):
        self.program, self.out, self.base_port = program, Path(out).absolute(), base_port
        self.out.mkdir(parents=True, exist_ok=True)
        self.rows, self.predicted = [], {}

    def answer(self, name, *words):
        """Asks wsim and keeps its answer as the file NAME.json. A plan or an objective may be missed (exit status 3)."""
        text = wsim.call(self.program, *words, "--json", accept=(0, 3), seconds=600)
        (self.out / f"{name}.json").write_text(text)
        return json.loads(text)

    def predict(self, question, what, low, high, unit=""):
        """Keeps a predicted range in predictions.json. It cannot be changed any more."""
        if (question, what) in self.predicted:
            raise Problem(f"{question}, {what} is predicted twice")
        self.predicted[question, what] = (low, high, unit)
        rows = [
            {"question": question, "what": what, "low": low, "high": high, "unit": unit, "at": time.time()}
            for (question, what), (low, high, unit) in self.predicted.items()
        ]
        (self.out / "predictions.json").write_text(json.dumps(rows, indent=1) + "\n")
        say(f"predicted: {question}, {what}: {low:.3g} to {high:.3g} {unit}")

    def measured(self, question, what, value):
        """Adds what was measured to the table."""
        low, high, unit = self.predicted[question, what]
        self.rows.append((question, what, low, high, value, unit))
        rows = [dict(zip(("question", "what", "low", "high", "measured", "unit"), row)) for row in self.rows]
        (self.out / "measured.json").write_text(json.dumps(rows, indent=1) + "\n")
        say(f"measured: {question}, {what}: {value:.3g} {unit}")

    def print(self):
        """Prints the table as Markdown."""
        print("| question | figure | predicted | measured | inside |\n|---|---|--:|--:|---|")
        for question, what, low, high, value, unit in self.rows:
            space = f" {unit}" if unit else ""
            print(f"| {question} | {what} | {_figure(low)}–{_figure(high)}{space} | {_figure(value)}{space} | {'yes' if low <= value <= high else '**no**'} |")


def _figure(value):
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def noise(*counts):
    """By what a ratio of such counts may differ by chance: two standard deviations of independent counts, as a factor."""
    return 1 + 2 * sum(1 / max(1, count) for count in counts) ** 0.5
