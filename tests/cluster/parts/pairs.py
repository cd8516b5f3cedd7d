"""Which of two plans is faster, by how much, and whether the measurements can tell.

Both plans got the same schedule, so their means are compared block by block: the difference of two blocks does not contain the noise of what arrived
in them. With repetitions the spread of runs is known too; the larger of the two noises counts.
"""

import itertools
import math
import statistics

from .measured import LONG_POLLS

BLOCK_SECONDS = 5
# Two-sided 95 % quantiles of Student's t by degrees of freedom.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09)


def ranking(cells, predictions):
    """For every two plans at the same load: the difference of their mean latencies (long polls apart), measured with its 95 % interval and predicted."""
    rows = []
    for load in sorted({load for _, load in cells}):
        plans = [plan for plan, other in cells if other == load and (plan, load) in predictions]
        means = {plan: [run.mean_latency() for run in cells[plan, load]] for plan in plans}
        spread = _spread(means.values())
        for a, b in itertools.combinations(plans, 2):
            difference = statistics.mean(means[b]) - statistics.mean(means[a])
            noises = [_noise_of_blocks(cells[a, load], cells[b, load])]
            if spread is not None:
                freedom, deviation = spread
                noises.append(_t(freedom) * deviation * math.sqrt(1 / len(means[a]) + 1 / len(means[b])))
            noise = max(value for value in noises if value is not None)
            first, second = mean_latency(predictions[a, load]), mean_latency(predictions[b, load])
            expected = second["value"] - first["value"]
            rows.append(
                {
                    "load": load,
                    "plans": [a, b],
                    "runs": [len(means[a]), len(means[b])],
                    "measured_ms": difference,
                    "noise_ms": noise,
                    "predicted_ms": expected,
                    "counts": abs(difference) > noise,
                    "right": difference * expected > 0,
                    "size_inside": abs(expected - difference) <= noise,
                }
            )
    return rows


def summary(rows):
    """Counts of decidable pairs, right signs and sizes inside the measured interval."""
    decidable = [row for row in rows if row["counts"]]
    return {
        "pairs": len(rows),
        "decidable": len(decidable),
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


def _noise_of_blocks(first, second):
    """Half of the 95 % interval of the difference from blocks of the schedule that both plans' runs have."""
    a, b = _by_block(first), _by_block(second)
    common = sorted(set(a) & set(b))
    if len(common) < 4:
        return None
    weights = [(a[block][0] + b[block][0]) / 2 for block in common]
    differences = [b[block][1] / b[block][0] - a[block][1] / a[block][0] for block in common]
    total = sum(weights)
    mean = sum(weight * value for weight, value in zip(weights, differences)) / total
    variance = sum((weight / total) ** 2 * (value - mean) ** 2 for weight, value in zip(weights, differences)) * len(common) / (len(common) - 1)
    # Neighbouring blocks share a backlog: their differences are correlated, which widens the interval.
    errors = [value - mean for value in differences]
    squares = sum(value * value for value in errors)
    lag = max(0.0, sum(x * y for x, y in zip(errors, errors[1:])) / squares) if squares else 0.0
    return _t(len(common) - 1) * math.sqrt(variance * (1 + 2 * min(lag, 0.8)))


def _by_block(runs):
    """block -> (requests, sum of latencies) over repetitions; blocks that some run lacks are left out."""
    blocks = [run.blocks(BLOCK_SECONDS) for run in runs]
    common = set.intersection(*(set(block) for block in blocks))
    return {number: (sum(block[number][0] for block in blocks), sum(block[number][1] for block in blocks)) for number in common}


def _spread(samples):
    """Degrees of freedom and standard deviation of a single run, pooled over plans; None without repetitions."""
    samples = [values for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in samples)
    if freedom == 0:
        return None
    squares = sum(sum((value - statistics.mean(values)) ** 2 for value in values) for values in samples)
    return freedom, math.sqrt(squares / freedom)


def _t(freedom):
    return _T[freedom - 1] if freedom <= len(_T) else 2.0
