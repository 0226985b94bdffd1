"""Ward's clustering beside fastcluster and SciPy: the same segments, and how long each takes.

    /tmp/peers/bin/pip install fastcluster
    /tmp/peers/bin/python benches/peers/ward.py --hyades target/release/hyades --folder /tmp/ward --rows 5000 20000

Values are scaled alike: z-scores, rounded to the grid by Hyades. Seconds are of the processor as well as by the clock, so
that a loaded machine shows.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import time

import fastcluster
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.cluster.hierarchy as hierarchy
from sklearn.metrics import adjusted_rand_score


def groups(rows, features, seed):
    """Eight overlapping groups."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(8, features)) * 2
    return centers[random.integers(0, 8, rows)] + random.normal(size=(rows, features))


def timed(work):
    """The result, seconds by the clock, and seconds of the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - clock, time.process_time() - cpu


def fit(hyades, path, out, k, threads):
    """The labels, the tree, seconds of the stage `tree`, and seconds of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [hyades, "fit", path, "--id", "id", "--algorithm", "ward", "--k", str(k), "--transform", "none", "--no-profile",
         "--threads", str(threads), "--out", out],
        check=True, capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = json.loads((out / "manifest.json").read_text())["stages"]
    fitted = json.loads((out / "model.json").read_text())["model"]["parts"][0]["fitted"]
    labels = pq.read_table(out / "segments", columns=["segment"])["segment"].to_numpy()
    tree = sum(stage["seconds"] for stage in stages if stage["stage"] == "tree")
    return labels, fitted, tree, after.ru_utime - before.ru_utime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for rows in options.rows:
        values = groups(rows, options.features, rows)
        path = options.folder / f"{rows}.parquet"
        columns = {f"x{j}": values[:, j] for j in range(options.features)}
        pq.write_table(pa.table({"id": np.arange(rows), **columns}), path)
        scaled = (values - values.mean(0)) / values.std(0)
        tree, clock, cpu = timed(lambda: fastcluster.linkage(scaled, "ward"))
        print(f"{rows} x {options.features}: fastcluster {clock:.2f} s ({cpu:.2f} s of the processor)", flush=True)
        theirs = hierarchy.fcluster(tree, options.k, "maxclust")
        for threads in options.threads:
            labels, fitted, clock, cpu = fit(options.hyades, path, options.folder / "out", options.k, threads)
            ours = np.array([merge[2] for merge in fitted["linkage_"]])
            heights = np.abs(ours / tree[-len(ours):, 2] - 1).max()
            print(
                f"  hyades, {threads} threads: tree {clock:.2f} s ({cpu:.2f} s of the processor in all); "
                f"adjusted Rand index {adjusted_rand_score(theirs, labels):.4f}, heights within {heights:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
