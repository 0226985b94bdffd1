"""Sixty million rows of which fifty-nine are one segment, as dormant accounts are: are the centroids the means?

    python dominant.py --hyades target/release/hyades --folder /tmp

Adding millions of float32 values into one sum loses them: the sum grows, its last place grows with it, and small values
vanish. Hyades adds integers. The file (1 GB) is made in the folder and removed afterwards. Exits with 1 if a centre of
Hyades is farther from the exact mean than half a grid step or 1e-5, or a row is not where it was made.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import KMeans

import prepared

WITHIN = 1e-5
# Half a step by rounding the mean; rounding the rows, which is as often up as down, adds next to nothing.
HALF_STEP = 0.51
BLOCK = 1_000_000
# Centre, deviation, share of the rows.
LARGE = ((1.0, -3.0), 0.01, 59 / 60)
SMALL = ((101.0, 40.0), 0.5, 1 / 60)


def write(path: Path, rows: int) -> list[list[float]]:
    """Writes `x` and `y`, every block shuffled; returns the exact means of the two segments, the large one first."""
    random = np.random.default_rng(1)
    sums, counts = [[[], []], [[], []]], [0, 0]
    schema = pa.schema([("x", pa.float64()), ("y", pa.float64())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, rows, BLOCK):
            n = min(BLOCK, rows - start)
            large = round(n * LARGE[2])
            of = np.repeat([0, 1], [large, n - large])
            values = random.standard_normal((n, 2))
            for j, (centre, deviation, _) in enumerate((LARGE, SMALL)):
                values[of == j] = values[of == j] * deviation + centre
                counts[j] += int((of == j).sum())
                for f in (0, 1):
                    # fsum of a block is correctly rounded, and so is fsum of the blocks: the error is below 1e-15.
                    sums[j][f].append(math.fsum(values[of == j, f]))
            values = values[random.permutation(n)]
            writer.write_table(pa.table([values[:, 0], values[:, 1]], schema=schema))
    return [[math.fsum(sums[j][f]) / counts[j] for f in (0, 1)] for j in (0, 1)]


def matrix(path: Path) -> np.ndarray:
    file = pq.ParquetFile(path)
    values, at = np.empty((file.metadata.num_rows, 2), np.float32), 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        for f in (0, 1):
            values[at : at + len(table), f] = table.column(f).to_numpy()
        at += len(table)
    return values


def report(name: str, centers: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Prints one engine's centres; returns their errors."""
    error = np.abs(centers - means)
    print(f"{name:<30}" + "".join(f"{v:>15.8f}" for v in centers.ravel())
          + f"   off by {error.max():.1e}, {(error / deviations).max():.1e} deviations", flush=True)
    return error


def large_first(centers: np.ndarray) -> np.ndarray:
    return centers[np.argsort(centers[:, 0])]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--hyades", required=True, help="the program")
    arguments.add_argument("--rows", type=int, default=60_000_000)
    arguments.add_argument("--folder", type=Path, help="where the file is made (default: the system's)")
    arguments.add_argument("--json", type=Path, help="also write the figures here")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "dominant.parquet"
        means = np.array(write(path, given.rows))
        start = time.perf_counter()
        fit = prepared.fit(given.hyades, path, Path(folder) / "fit", "--k", "2", "--transform", "none",
                           "--features", "x,y", "--tol", "0")
        seconds = time.perf_counter() - start
        values = matrix(path)
    deviations = np.array([c["seen"]["deviation"] for c in fit.columns])
    units = np.array([c["unit"] for c in fit.columns]) * fit.step
    print(f"{given.rows} rows, segments of {fit.model['counts_']}; Hyades {seconds:.1f} s, {fit.manifest['device']}; "
          f"a grid step is {units[0]:.1e} of x, {units[1]:.1e} of y")
    print(f"{'':<30}" + "".join(f"{c:>15}" for c in ("large x", "large y", "small x", "small y")))
    report("exact means", means, means, deviations)
    ours = large_first(np.array(fit.model["cluster_centers_"]))
    off = report("Hyades", ours, means, deviations)
    expected = sum(round(min(BLOCK, given.rows - s) * LARGE[2]) for s in range(0, given.rows, BLOCK))
    counted = fit.model["counts_"] == [expected, given.rows - expected]
    right = counted and bool((off <= np.minimum(HALF_STEP * units, WITHIN)).all())
    figures = {"rows": given.rows, "exact": means.tolist(), "seconds": seconds, "grid_step": units.tolist(),
               "Hyades": {"centers": ours.tolist(), "off": off.tolist()}}
    starts = np.array([LARGE[0], SMALL[0]], np.float32)
    for name, rows, start in (
        ("scikit-learn, as they are", values, starts),
        ("scikit-learn, standardised", None, None),
    ):
        shift, scale = 0.0, 1.0
        if rows is None:
            shift, scale = np.array([c["center"] for c in fit.columns]), np.array([c["unit"] for c in fit.columns])
            for f in (0, 1):
                values[:, f] = (values[:, f] - shift[f]) / scale[f]
            rows, start = values, ((starts - shift) / scale).astype(np.float32)
        theirs = KMeans(2, init=start, n_init=1, algorithm="lloyd").fit(rows)
        centers = large_first(theirs.cluster_centers_.astype(np.float64) * scale + shift)
        figures[name] = {"centers": centers.tolist(), "off": report(name, centers, means, deviations).tolist()}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    raise SystemExit(0 if right else 1)


if __name__ == "__main__":
    main()
