"""Which of two plans is faster, by how much, and whether the measurements can tell.

Repetitions of the same number have the same schedule at every plan, so they are compared with each other, block by block: the difference of two blocks
does not contain the noise of what arrived in them. What two runs of one plan on one schedule differ by is known from repetitions, once there are
enough of them; the larger of the two noises counts.
"""

import itertools
import math
import statistics

from .measured import LONG_POLLS

BLOCK_SECONDS = 5
# Fewer repetitions say too little about their spread.
LEAST_FREEDOM = 4
# Two-sided 95 % quantiles of Student's t by degrees of freedom.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09)


def ranking(cells, predictions):
    """For every two plans at the same load: the difference of their mean latencies (long polls apart), measured with its 95 % interval and predicted.

    Only repetitions that both plans have are compared.
    """
    spread = _spread(cells)
    rows = []
    for load in sorted({load for _, load in cells}):
        plans = [plan for plan, other in cells if other == load and (plan, load) in predictions]
        for a, b in itertools.combinations(plans, 2):
            first, second = _common(cells[a, load], cells[b, load])
            if not first:
                continue
            means = [statistics.mean(run.mean_latency() for run in runs) for runs in (first, second)]
            difference = means[1] - means[0]
            noises = [_noise_of_blocks(first, second), _noise_of_runs(spread, means, len(first))]
            if noises == [None, None]:
                continue
            noise = max(value for value in noises if value is not None)
            # Of a plan that is near saturation nothing may be told.
            told = all(predictions[plan, load]["groups"] for plan in (a, b))
            expected = mean_latency(predictions[b, load])["value"] - mean_latency(predictions[a, load])["value"] if told else None
            rows.append(
                {
                    "load": load,
                    "plans": [a, b],
                    "runs": len(first),
                    "measured_ms": difference,
                    "noise_ms": noise,
                    "predicted_ms": expected,
                    "counts": abs(difference) > noise,
                    "right": told and difference * expected > 0,
                    "size_inside": told and abs(expected - difference) <= noise,
                }
            )
    return rows


def summary(rows):
    """Counts of decidable pairs, right signs and sizes inside the measured interval."""
    decidable = [row for row in rows if row["counts"]]
    return {
        "pairs": len(rows),
        "decidable": len(decidable),
        "untold": sum(row["predicted_ms"] is None for row in decidable),
        "right": sum(row["right"] for row in decidable),
        "size_inside": sum(row["size_inside"] for row in decidable),
        "all_sizes_inside": sum(row["size_inside"] for row in rows),
    }


def mean_latency(prediction):
    """The predicted mean of all requests but long polls, ms; as a log would show it if the prediction has that figure."""
    groups = [group for group in prediction["groups"] if group["id"] not in LONG_POLLS]
    total = max(1, sum(group["requests"] for group in groups))
    return {
        bound: sum(group["requests"] * group.get("logged_ms", group["latency_ms"])["mean"][bound] for group in groups) / total
        for bound in ("value", "low", "high")
    }


def _common(first, second):
    """The runs of both cells with the same repetition numbers, in the same order."""
    by_number = [{run.facts["run"]: run for run in runs} for runs in (first, second)]
    numbers = sorted(set(by_number[0]) & set(by_number[1]))
    return [[runs[number] for number in numbers] for runs in by_number]


def _noise_of_blocks(first, second):
    """Half of the 95 % interval of the difference from blocks of the schedule that both runs of a repetition have."""
    weights, differences, follows = [], [], []
    for one, other in zip(first, second):
        a, b = one.blocks(BLOCK_SECONDS), other.blocks(BLOCK_SECONDS)
        for block in sorted(set(a) & set(b)):
            follows.append(bool(weights) and block > sorted(set(a) & set(b))[0])
            weights.append((a[block][0] + b[block][0]) / 2)
            differences.append(b[block][1] / b[block][0] - a[block][1] / a[block][0])
    if len(weights) < 4:
        return None
    total = sum(weights)
    mean = sum(weight * value for weight, value in zip(weights, differences)) / total
    errors = [value - mean for value in differences]
    variance = sum((weight / total * error) ** 2 for weight, error in zip(weights, errors)) * len(weights) / (len(weights) - 1)
    # Neighbouring blocks share a backlog: their differences are correlated, which widens the interval.
    squares = sum(error * error for error in errors)
    lag = sum(x * y for x, y, next_to in zip(errors, errors[1:], follows[1:]) if next_to) / squares if squares else 0.0
    return _t(len(weights) - 1) * math.sqrt(variance * (1 + 2 * min(max(lag, 0.0), 0.8)))


def _noise_of_runs(spread, means, repetitions):
    """Half of the 95 % interval of the difference from the spread of repetitions; None if there are too few."""
    freedom, deviation = spread
    return _t(freedom) * deviation * math.hypot(*means) / math.sqrt(repetitions) if freedom >= LEAST_FREEDOM else None


def _spread(cells):
    """Degrees of freedom and standard deviation of the logarithm of a run's mean, without what its plan and its schedule explain."""
    freedom, squares = 0, 0.0
    for load in {load for _, load in cells}:
        logs = {plan: {run.facts["run"]: math.log(run.mean_latency()) for run in runs} for (plan, other), runs in cells.items() if other == load and len(runs) > 1}
        entries = [(plan, number, value) for plan, runs in logs.items() for number, value in runs.items()]
        residuals, parameters = _additive(entries)
        if len(entries) > parameters:
            freedom += len(entries) - parameters
            squares += sum(value * value for value in residuals)
    return freedom, math.sqrt(squares / freedom) if freedom else 0.0


def _additive(entries):
    """Residuals of value = plan + schedule by alternating means, and the number of parameters that were fitted."""
    plans, numbers = {plan for plan, _, _ in entries}, {number for _, number, _ in entries}
    of_plan, of_number = dict.fromkeys(plans, 0.0), dict.fromkeys(numbers, 0.0)
    for _ in range(50):
        for plan in plans:
            of_plan[plan] = statistics.mean(value - of_number[number] for name, number, value in entries if name == plan)
        for number in numbers:
            of_number[number] = statistics.mean(value - of_plan[plan] for plan, other, value in entries if other == number)
    return [value - of_plan[plan] - of_number[number] for plan, number, value in entries], max(0, len(plans) + len(numbers) - 1)


def _t(freedom):
    return _T[freedom - 1] if freedom <= len(_T) else 2.0
