"""How good an optimum a fit finds: its inertia against the best of ten starts of scikit-learn, and FLS++.

    python optimum.py --hyades target/release/hyades --sets FOLDER [--efforts low,normal] [--seeds 4]

FOLDER is a copy of the clustering benchmark suite (gagolews/clustering-data-v1). Values are fitted as they are (those of
`uci` standardised by column), with as many segments as are listed, which is not always how many there are. Prints, for
every set, how far the inertia is above that of scikit-learn's best of ten: the mean over the seeds, and the worst; and
seconds, of Hyades of the whole process. FLS++ (package flspp, 25 swaps) takes part where it is installed; it needs
NumPy 1. The inertia of every result is computed here from its centroids. Exits with 1 if a default fit is more
than 1 % above scikit-learn on a set of up to 100 segments.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import KMeans

try:
    from flspp import FLSpp
except ImportError:
    FLSpp = None

SETS = [
    ("fcps/engytime", 12), ("graves/fuzzyx", 12), ("graves/zigzag", 12), ("uci/wine", 8), ("uci/ecoli", 12),
    ("uci/yeast", 12), ("wut/x2", 12), ("sipu/s3", 15), ("sipu/s4", 15), ("sipu/s3", 40), ("sipu/a3", 50),
    ("sipu/d31", 31), ("sipu/birch1", 100), ("sipu/birch2", 100), ("other/chameleon_t7_10k", 24),
]
MOST_ABOVE = 1.0


def published(folder: Path, name: str) -> np.ndarray:
    with gzip.open(folder / f"{name}.data.gz", "rt") as file:
        values = np.loadtxt(file, ndmin=2)
    if name.startswith("uci/"):
        deviation = values.std(0)
        values = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1)
    return values


def grid(rng: np.random.Generator, side: int, rows: int) -> np.ndarray:
    centers = np.stack(np.meshgrid(range(side), range(side)), -1).reshape(-1, 2).astype(float)
    return centers[rng.integers(0, side * side, rows)] + rng.normal(0, 0.12, (rows, 2))


def sets(folder: Path):
    for name, k in SETS:
        yield name, published(folder, name), k
    rng = np.random.default_rng(5)
    yield "grid of 100", grid(rng, 10, 10_000), 100
    yield "grid of 625", grid(rng, 25, 60_000), 625
    yield "lognormal", rng.lognormal(0, 1, (8000, 6)), 8
    yield "normal", rng.normal(size=(8000, 8)), 16
    yield "uniform, 3 columns", rng.random((8000, 3)), 24
    yield "uniform, 2 columns", rng.random((5000, 2)), 20


def inertia(values: np.ndarray, centroids: np.ndarray) -> float:
    blocks = (values[i:i + 4096] for i in range(0, len(values), 4096))
    return sum(((block[:, None] - centroids[None]) ** 2).sum(-1).min(1).sum() for block in blocks)


def hyades(program: str, folder: Path, values: np.ndarray, k: int, effort: str, seed: int) -> np.ndarray:
    names = [f"f{i}" for i in range(values.shape[1])]
    file, out = folder / "in.parquet", folder / f"{effort}-{seed}"
    pq.write_table(pa.table(dict(zip(names, values.T))), file)
    options = ["--k", str(k), "--transform", "none", "--scale", "none", "--tol", "0", "--seed", str(seed)]
    more = ["--features", ",".join(names), "--effort", effort, "--no-profile", "--out", str(out), "-q"]
    subprocess.run([program, "fit", str(file), *options, *more], check=True, capture_output=True)
    model = json.loads((out / "model.json").read_text())["model"]
    return np.array(model["parts"][0]["fitted"]["cluster_centers_"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--sets", required=True, type=Path)
    parser.add_argument("--efforts", default="low,normal")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    failed = False
    for name, values, k in sets(options.sets):
        values = np.ascontiguousarray(values, dtype=float)
        start = time.perf_counter()
        best = inertia(values, KMeans(k, n_init=10, random_state=1).fit(values).cluster_centers_)
        took = time.perf_counter() - start
        line = [f"{name} {values.shape[0]:,} x {values.shape[1]}, k = {k}", f"scikit-learn {took:.2f} s"]

        def add(label, fit):
            above, seconds = [], []
            for seed in range(options.seeds):
                begun = time.perf_counter()
                centroids = fit(seed)
                seconds.append(time.perf_counter() - begun)
                above.append(100 * (inertia(values, centroids) / best - 1))
            line.append(f"{label} {np.mean(above):+.2f} / {max(above):+.2f} % {np.median(seconds):.2f} s")
            return max(above)

        if FLSpp is not None:
            add("FLS++", lambda seed: np.array(
                FLSpp(k, max_iter=300, local_search_iterations=25, random_state=seed).fit(values).cluster_centers_))
        for effort in options.efforts.split(","):
            with tempfile.TemporaryDirectory() as folder:
                worst = add(effort, lambda seed: hyades(options.hyades, Path(folder), values, k, effort, seed))
            failed |= effort == "normal" and k <= 100 and worst > MOST_ABOVE
        print(" | ".join(line), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
