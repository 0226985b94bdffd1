"""Hyades and its rivals in turn (A B C, A B C ...) on one task: full passes, or to convergence.

Enters: a task and the engines. Leaves: medians over the runs, and ratios to Hyades, each of the runs of one turn.
"""

import statistics
from datetime import datetime

import engines
import process

FIGURES = ("seconds", "fit_seconds", "setup_seconds", "job_seconds", "iterations", "peak_mib")


def measure(task: engines.Task, names: list[str], runs: int, limit: float, say) -> tuple[dict, dict]:
    """Results and what was skipped, by engine. One whose first run takes more than `limit` seconds is run once."""
    every, inertias, skipped = {name: [] for name in names}, {}, {}
    for turn in range(runs):
        for name in names:
            slow = turn > 0 and every[name] and every[name][0]["seconds"] > limit
            if slow:
                skipped[name] = f"run once: its first run took more than {limit:g} s"
            if slow or (turn > 0 and not every[name]):
                continue
            try:
                result = engines.run(name, task)
            except process.Failed as why:
                skipped[name] = str(why)
                say(f"  {name}: {why}")
                continue
            centers = result.pop("centers")
            if name not in inertias:
                inertias[name] = engines.inertia(task, centers)
            every[name].append(result)
            say(f"  {name}: {mean(result):.1f} ms a pass, {result['iterations']} passes, {result['seconds']:.2f} s")
    ours = every.get("hyades", [])
    when = datetime.now().isoformat("T", "minutes")
    results = {name: {**summary(some, ours), "inertia": inertias[name], "when": when}
               for name, some in every.items() if some}
    return results, skipped


def mean(run: dict) -> float:
    """Milliseconds a pass."""
    return run["seconds"] * 1e3 / run["iterations"]


def later(run: dict) -> float:
    return statistics.median(run["passes_ms"][1:] or run["passes_ms"])


def summary(runs: list[dict], ours: list[dict]) -> dict:
    middle = lambda of, some=runs: statistics.median(of(run) for run in some)
    result = {name: middle(lambda run: run[name]) for name in FIGURES if name in runs[0]}
    result["mean"] = middle(mean)
    pairs = list(zip(runs, ours))
    result["ratio_of_means"] = ratio(mean, pairs)
    result["ratio_of_seconds"] = ratio(lambda run: run["seconds"], pairs)
    if runs[0]["passes_ms"]:
        result["first"], result["later"] = middle(lambda run: run["passes_ms"][0]), middle(later)
        result["ratio_of_later"] = ratio(later, pairs)
    return {**result, "runs": runs}


def ratio(of, pairs: list[tuple[dict, dict]]) -> float | None:
    return statistics.median(of(rival) / of(ours) for rival, ours in pairs) if pairs else None
