"""Milliseconds a full pass: Hyades and scikit-learn's Lloyd, on the same rows from the same starting centroids.

    hyades synth --rows 10000000 --features 16 --segments 16 --seed 1 --out bank.parquet
    python passes.py --hyades target/release/hyades --k 16 bank.parquet:customer_id

scikit-learn gets what Hyades prepared, as one float32 matrix in memory, so both work on the same values. Its passes are
timed one by one, from the start of one to the start of the next. (The difference of a long and a short fit would need
nothing of its insides, but on a machine that does other work the noise was larger than the difference.) Runs of the two
alternate, so that other work slows both. Figures: see README.md.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.cluster import _kmeans
from sklearn.exceptions import ConvergenceWarning

import prepared

PASSES = 20


def hyades_run(hyades: str, file: Path, out: Path, options: list[str]) -> tuple[dict, prepared.Fit]:
    """One whole job under GNU time."""
    start = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-v", hyades, "fit", str(file), "--out", str(out), *options],
                          capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    fit = prepared.Fit.read(out)
    passes = [p["seconds"] * 1e3 for p in fit.manifest["passes"]]
    peak = int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr).group(1)) / 1024
    stages = {s["stage"]: s["seconds"] for s in fit.manifest["stages"]}
    return {"first": passes[0], "later": statistics.median(passes[1:]), "mean": statistics.mean(passes),
            "passes": passes, "job_seconds": seconds, "peak_rss_mib": peak, "stages": stages}, fit


def sklearn_run(values: np.ndarray, starts: np.ndarray) -> dict:
    """One fit. The function that makes a pass is wrapped, which is why requirements.txt pins the version."""
    began, one_pass = [], _kmeans.lloyd_iter_chunked_dense

    def timed(*arguments, **options):
        began.append(time.perf_counter())
        return one_pass(*arguments, **options)

    model = _kmeans.KMeans(len(starts), init=starts, n_init=1, algorithm="lloyd", tol=0, max_iter=PASSES)
    _kmeans.lloyd_iter_chunked_dense = timed
    try:
        start = time.perf_counter()
        model.fit(values)
        seconds = time.perf_counter() - start
    finally:
        _kmeans.lloyd_iter_chunked_dense = one_pass
    # The last call only labels.
    passes = (np.diff(began) * 1e3).tolist()
    if len(passes) != PASSES:
        raise SystemExit(f"scikit-learn made {len(passes)} passes instead of {PASSES}: another version, or converged")
    return {"first": passes[0], "later": statistics.median(passes[1:]), "mean": statistics.mean(passes),
            "passes": passes, "fit_seconds": seconds, "inertia": model.inertia_}


def matrix(file: Path, fit: prepared.Fit) -> np.ndarray:
    """The prepared values, float32, row-major: exact, as every grid integer is."""
    values = np.empty((pq.ParquetFile(file).metadata.num_rows, len(fit.columns)), np.float32)
    for i, column in enumerate(fit.columns):
        values[:, i] = prepared.on_grid(column, fit.step_exponent, prepared.raw(file, column["name"])) * fit.step
    return values


def measure(hyades: str, file: Path, id_column: str, k: int, runs: int, folder: Path) -> dict:
    starts = prepared.write_starts(file, [id_column], k, folder / "starts.parquet")
    options = ["--k", str(k), "--id", id_column, "--init", str(folder / "starts.parquet"), "--backend", "cpu",
               "--tol", "0", "--max-iter", str(PASSES)]
    _, fit = hyades_run(hyades, file, folder / "fit", options)
    values = matrix(file, fit)
    theirs_from = (prepared.starts_of(starts, fit) * fit.step).astype(np.float32)
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(hyades_run(hyades, file, folder / "fit", options)[0])
        theirs.append(sklearn_run(values, theirs_from))
    middle = lambda runs, name: statistics.median(r[name] for r in runs)
    result = {
        "file": file.name, "n": len(values), "d": values.shape[1], "k": k, "cores": os.cpu_count(), "runs": runs,
        "load": os.getloadavg()[0], "device": fit.manifest["device"],
        "hyades": {name: middle(ours, name) for name in ("first", "later", "mean", "job_seconds", "peak_rss_mib")},
        "sklearn": {name: middle(theirs, name) for name in ("first", "later", "mean", "fit_seconds")},
        "ratios": sorted(t["later"] / o["later"] for o, t in zip(ours, theirs)),
        "inertia": fit.model["inertia_"], "sklearn_inertia": theirs[0]["inertia"],
        "every_run": {"hyades": ours, "sklearn": theirs},
    }
    result["ratio"] = statistics.median(result["ratios"])
    return result


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--hyades", required=True, help="the program")
    arguments.add_argument("--k", type=int, default=16, help="segments (default 16)")
    arguments.add_argument("--runs", type=int, default=5, help="runs of each, alternating (default 5)")
    arguments.add_argument("--json", type=Path, help="also write the figures here")
    arguments.add_argument("file", metavar="FILE:ID", help="a Parquet file and its id column")
    given = arguments.parse_args()
    file, _, id_column = given.file.rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        r = measure(given.hyades, Path(file), id_column, given.k, given.runs, Path(folder))
    ours, theirs = r["hyades"], r["sklearn"]
    print(f"n={r['n']} d={r['d']} k={r['k']}, {r['cores']} cores, {r['device']}, medians of {r['runs']} runs")
    print(f"{'milliseconds a pass':<28}{'first':>10}{'later':>10}{'mean':>10}")
    print(f"{'Hyades':<28}{ours['first']:>10.1f}{ours['later']:>10.1f}{ours['mean']:>10.1f}")
    print(f"{'scikit-learn, float32':<28}{theirs['first']:>10.1f}{theirs['later']:>10.1f}{theirs['mean']:>10.1f}")
    print(f"ratio to later passes: {r['ratio']:.1f} (each pair: {', '.join(f'{x:.1f}' for x in r['ratios'])})")
    print(f"Hyades' whole job, file to labelled file: {ours['job_seconds']:.2f} s, {ours['peak_rss_mib']:.0f} MiB")
    print(f"scikit-learn's {PASSES} passes, without reading and writing: {theirs['fit_seconds']:.2f} s")
    print(f"inertia after {PASSES} passes: {r['inertia']:.8e}, scikit-learn {r['sklearn_inertia']:.8e}")
    if given.json:
        given.json.write_text(json.dumps(r, indent=2) + "\n")


if __name__ == "__main__":
    main()
