"""Hyades against scikit-learn's KMeans: same rows, same starting centroids, both to convergence.

    python agree.py --hyades target/release/hyades [--k 8] [--follow] FILE:ID ...

Every FILE is Parquet with the id column ID. Exits with 1 if a file misses a target; see README.md for the figures.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

import prepared
from prepared import Fit

INERTIA_WITHIN = 1e-6
LABELS_EQUAL = 0.9999
MAX_ITER = 1000


def nearest(grid: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The definition of a label: smallest squared distance, ties to the lowest index; exact if `centers` are int64.
    Labels and squared distances."""
    most = np.iinfo(np.int64).max if centers.dtype == np.int64 else np.inf
    labels, best = np.zeros(len(grid), np.int32), np.full(len(grid), most, centers.dtype)
    for start in range(0, len(grid), 1 << 15):
        here = slice(start, start + (1 << 15))
        rows = grid[here].astype(centers.dtype)
        for j, center in enumerate(centers):
            d2 = np.square(rows - center).sum(axis=1)
            closer = d2 < best[here]
            labels[here][closer] = j
            best[here][closer] = d2[closer]
    return labels, best


def exact_sum(values: np.ndarray) -> int:
    """The sum of int64 values that are not negative, whatever its size."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def rounded_means(grid: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Means by label rounded half to even, in Python's integers; a label without rows keeps its centroid."""
    means = centers.copy()
    for j in range(len(centers)):
        rows = grid[labels == j].astype(np.int64)
        for f, total in enumerate(rows.sum(axis=0) if len(rows) else []):
            quotient, rest = divmod(int(total), len(rows))
            means[j, f] = quotient + (2 * rest > len(rows) or (2 * rest == len(rows) and quotient % 2 == 1))
    return means


def check_model(file: Path, id_column: str, fit: Fit, grid: np.ndarray) -> dict:
    """What Hyades wrote, against what the definition gives; every value is a number of faults, so 0 is right."""
    model, centers = fit.model, fit.grid_centers
    written = pq.read_table(fit.labelled)
    labels, distance = written.column("segment").to_numpy(), written.column("distance").to_numpy()
    expected, d2 = nearest(grid, centers)
    exact_distance = (np.sqrt(d2.astype(np.float64)) * fit.step).astype(np.float32)
    counts = np.bincount(labels, minlength=len(centers))
    inertia = exact_sum(d2)
    mean_distance = [math.fsum(np.sqrt(d2[labels == j].astype(np.float64))) * fit.step / max(n, 1)
                     for j, n in enumerate(counts)]
    originals = np.column_stack(
        [prepared.original(c, fit.step_exponent, centers[:, i]) for i, c in enumerate(fit.columns)])
    scale = np.maximum(np.abs(originals), [c["unit"] for c in fit.columns])
    ids = pq.read_table(file, columns=[id_column]).column(id_column)
    return {
        "ids": int(not written.column(id_column).equals(ids)),
        "labels": int((labels != expected).sum()),
        "distances": int((distance != exact_distance).sum()),
        "means": int((rounded_means(grid, labels, centers) != centers).sum()),
        "counts": int((counts != model["counts_"]).sum()),
        "grid_inertia": int(inertia != int(model["grid_inertia_"])),
        "inertia": int(not math.isclose(inertia * fit.step**2, model["inertia_"], rel_tol=1e-14)),
        "mean_distance": int((~np.isclose(mean_distance, model["mean_distance_"], rtol=1e-10)).sum()),
        "centers": int((np.abs(originals - model["cluster_centers_"]) > 1e-12 * scale).sum()),
    }


def sklearn_from(values: np.ndarray, starts: np.ndarray) -> KMeans:
    return KMeans(len(starts), init=starts, n_init=1, algorithm="lloyd", tol=0, max_iter=MAX_ITER).fit(values)


def unequal(ours: np.ndarray, theirs: np.ndarray, k: int) -> int:
    """Rows whose labels differ, once the other's clusters are numbered so that as few as possible do."""
    table = np.zeros((k, k), np.int64)
    np.add.at(table, (ours, theirs), 1)
    return len(ours) - int(table[linear_sum_assignment(-table)].sum())


def follow(grid: np.ndarray, centers: np.ndarray, rounded: bool) -> np.ndarray:
    """Labels at the end of Lloyd's iteration, by the definition: with means rounded to the grid, or as they are."""
    centers = centers.astype(np.int64 if rounded else np.float64)
    before = None
    while True:
        labels, _ = nearest(grid, centers)
        if before is not None and (labels == before).all():
            return labels
        before = labels
        if rounded:
            centers = rounded_means(grid, labels, centers)
        else:
            sums = [grid[labels == j].sum(axis=0, dtype=np.int64) / (labels == j).sum() for j in range(len(centers))]
            centers = np.array(sums)


def say_why(grid: np.ndarray, starts: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict:
    """Whose path each engine went: rows by which its labels differ from numpy's, with rounded and with plain means."""
    k, why = len(starts), {}
    for name, rounded in (("rounded", True), ("plain", False)):
        labels = follow(grid, starts, rounded)
        why[name] = {"hyades": unequal(ours, labels, k), "sklearn": unequal(theirs, labels, k)}
        print(f"    numpy with {name} means: {why[name]['hyades']} rows unlike Hyades, "
              f"{why[name]['sklearn']} unlike scikit-learn", flush=True)
    return why


def compare(hyades: str, file: Path, id_column: str, k: int, explain: bool, folder: Path) -> dict:
    starts = prepared.write_starts(file, [id_column], k, folder / "starts.parquet")
    options = ["--k", str(k), "--id", id_column, "--init", str(folder / "starts.parquet")]
    fit = prepared.fit(hyades, file, folder / "fit", *options, "--tol", "0", "--max-iter", str(MAX_ITER))
    grid = prepared.grid_of(file, fit)
    values, begin = grid * fit.step, prepared.starts_of(starts, fit)
    labels = pq.read_table(fit.labelled, columns=["segment"]).column("segment").to_numpy()
    theirs = sklearn_from(values, begin * fit.step)
    # Is the end of Hyades an end for scikit-learn too?
    stays = sklearn_from(values, fit.grid_centers * fit.step)
    rows = len(grid)
    difference = unequal(labels, theirs.labels_, k)
    why = say_why(grid, begin, labels, theirs.labels_) if explain and difference else None
    return {
        "file": file.name, "rows": rows, "features": grid.shape[1], "k": k,
        "stop": fit.model["stop"], "n_iter": fit.model["n_iter_"], "sklearn_n_iter": theirs.n_iter_,
        "inertia": fit.model["inertia_"], "sklearn_inertia": theirs.inertia_,
        "inertia_difference": abs(fit.model["inertia_"] / theirs.inertia_ - 1.0),
        "labels_unequal": difference, "labels_equal": 1.0 - difference / rows,
        "sklearn_moves_from_our_end": unequal(labels, stays.labels_, k),
        "followed": why,
        "faults": check_model(file, id_column, fit, grid),
    }


def passed(result: dict) -> bool:
    agrees = result["inertia_difference"] <= INERTIA_WITHIN and result["labels_equal"] >= LABELS_EQUAL
    return agrees and not any(result["faults"].values())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--hyades", required=True, help="the program")
    arguments.add_argument("--k", type=int, action="append", help="segments; may be given several times (default 8)")
    arguments.add_argument("--follow", action="store_true", help="where labels differ, find out why (slow)")
    arguments.add_argument("--json", type=Path, help="also write the figures here")
    arguments.add_argument("files", nargs="+", metavar="FILE:ID", help="a Parquet file and its id column")
    given = arguments.parse_args()
    head = ("file", "rows", "D", "k", "passes", "sklearn", "inertia differs", "labels differ", "from our end", "faults")
    shape = "{:<34} {:>9} {:>3} {:>3} {:>6} {:>7} {:>15} {:>13} {:>12}  {}"
    print(shape.format(*head))
    results = []
    for named in given.files:
        file, _, id_column = named.rpartition(":")
        for k in given.k or [8]:
            with tempfile.TemporaryDirectory() as folder:
                r = compare(given.hyades, Path(file), id_column, k, given.follow, Path(folder))
            results.append(r)
            faults = ", ".join(f"{n} {what}" for what, n in r["faults"].items() if n) or "none"
            print(shape.format(r["file"], r["rows"], r["features"], k, r["n_iter"], r["sklearn_n_iter"],
                               f"{r['inertia_difference']:.1e}", r["labels_unequal"], r["sklearn_moves_from_our_end"],
                               faults + ("" if passed(r) else "  MISSED")), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    raise SystemExit(0 if all(map(passed, results)) else 1)


if __name__ == "__main__":
    main()
