"""What can be said of Hyades' own job: decoding beside DuckDB's scan, streamed beside resident, more and more rows.

Enters: a file. Leaves: medians of runs in turn, and ratios, each of the runs of one turn.
"""

import statistics
from pathlib import Path

import banks
import engines
import prepared
import whole_job
from side_by_side import later, mean, ratio


def decode(hyades: str, file: Path, runs: int, folder: Path, give_up: float, say) -> dict:
    """Hyades' stages from opening the file to prepared tiles, and DuckDB's scan and sum of the same columns."""
    ours, theirs = [], []
    for _ in range(runs):
        fit = prepared.fit(hyades, file, folder / "fit", "--id", banks.ID, "--k", "8", "--n-init", "1", "--max-iter",
                           "1", "--backend", "cpu", give_up=give_up)
        names = [column["name"] for column in fit.columns]
        stages = {stage: fit.stages[stage] for stage in ("open", "decode", "prepare")}
        ours.append({**stages, "seconds": sum(stages.values()), "others": fit.others})
        theirs.append({"seconds": whole_job.scan(file, names, give_up)})
        say(f"  hyades {ours[-1]['seconds']:.3f} s, DuckDB {theirs[-1]['seconds']:.3f} s")
    seconds = lambda run: run["seconds"]
    return {
        "bytes": file.stat().st_size, "columns": len(names),
        "hyades": {name: statistics.median(run[name] for run in ours) for name in ours[0]},
        "duckdb": {"seconds": statistics.median(map(seconds, theirs))},
        "hyades_over_duckdb": ratio(seconds, list(zip(ours, theirs))),
        "runs": {"hyades": ours, "duckdb": theirs},
    }


def scaling(task: engines.Task, runs: int, say) -> dict:
    """The whole job with its defaults, and full passes."""
    jobs, passes = [], []
    for _ in range(runs):
        fit = prepared.fit(task.hyades, task.file, task.folder / "fit", "--id", task.id_column, "--k", str(task.k),
                           "--backend", "cpu", give_up=task.give_up)
        jobs.append({"seconds": fit.seconds, "peak_mib": fit.peak_mib, "passes": len(fit.passes_ms),
                     "stages": fit.stages, "others": fit.others})
        run = full_passes(task)
        passes.append(run)
        say(f"  whole job {fit.seconds:.2f} s, {mean(run):.2f} ms a pass")
    middle = lambda some, of: statistics.median(of(run) for run in some)
    return {
        "job_seconds": middle(jobs, lambda run: run["seconds"]), "peak_mib": middle(jobs, lambda run: run["peak_mib"]),
        "job_passes": middle(jobs, lambda run: run["passes"]),
        "mean": middle(passes, mean), "later": middle(passes, later), "runs": {"jobs": jobs, "passes": passes},
    }


def streamed(task: engines.Task, runs: int, say) -> dict:
    """A budget of a quarter of the tiles, or the smallest that Hyades accepts, beside tiles in memory."""
    plan = full_passes(task)["plan"]
    quarter, smallest = plan["prepared_bytes"] // 4, plan["smallest_budget"]
    budget = max(quarter, smallest)
    resident, stream = [], []
    for _ in range(runs):
        resident.append(full_passes(task))
        stream.append(full_passes(task, "--memory", str(budget)))
        say(f"  resident {mean(resident[-1]):.2f} ms a pass, streamed {mean(stream[-1]):.2f}")
    pairs = list(zip(stream, resident))
    middle = lambda some, of: statistics.median(of(run) for run in some)
    job = lambda run: run["job_seconds"]
    side = lambda some: {"mean": middle(some, mean), "job_seconds": middle(some, job),
                         "peak_mib": middle(some, lambda run: run["peak_mib"]), "place": some[0]["place"]}
    return {
        "tile_bytes": plan["prepared_bytes"], "budget": budget, "quarter": quarter, "smallest_budget": smallest,
        "streamed": side(stream), "resident": side(resident),
        "ratio_of_passes": ratio(mean, pairs), "ratio_of_jobs": ratio(job, pairs),
        "equal_labels": len({run["labels"] for run in resident + stream}) == 1,
        "runs": {"streamed": stream, "resident": resident},
    }


def full_passes(task: engines.Task, *more: str) -> dict:
    fit = prepared.fit(task.hyades, task.file, task.folder / "fit", *engines.options(task, task.passes), *more,
                       give_up=task.give_up)
    return {"passes_ms": fit.passes_ms, "iterations": len(fit.passes_ms), "seconds": sum(fit.passes_ms) / 1e3,
            "job_seconds": fit.seconds, "peak_mib": fit.peak_mib, "others": fit.others, "stages": fit.stages,
            "plan": fit.manifest["plan"],
            "place": "memory" if fit.manifest["plan"]["place"] == "memory" else "scratch file",
            "labels": fit.manifest["labels_blake3"]}
