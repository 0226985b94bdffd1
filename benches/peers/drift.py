"""Hyades' drift figures against scipy's, and the error of binned values against the values themselves.

    python drift.py --hyades target/release/hyades

Writes two months of customers (several shapes of columns), fits the first and assigns the second. From `model.json` and
`drift.json` it takes the counts that Hyades has of both, and computes PSI, the Jensen-Shannon distance and the Wasserstein
distance with scipy on the same bins, shares and values; a difference above 1e-12 (of what exceeds 1: by 1e-12 of it) is
an error, and the script exits with 1. The last table compares the Wasserstein distance of the binned values with that of
the raw ones, clipped to the same quantiles.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

WITHIN = 1e-12


def months(rows, seed=5):
    """Columns of the first and the second month, by name."""
    for month, random in enumerate([np.random.default_rng(seed), np.random.default_rng(seed + 1)]):
        spiked = np.where(random.random(rows) < 0.7, 0.0, random.lognormal(4 + 0.1 * month, 1, rows))
        yield {
            "customer_id": np.arange(rows),
            "normal": random.normal(0.05 * month, 1, rows),
            "offset": random.normal(5000 + 35 * month, 700, rows),
            "lognormal": random.lognormal(5 + 0.2 * month, 2, rows),
            "spiked": spiked,
            "whole": random.poisson(7 + 0.3 * month, rows).astype(float),
            "same": random.exponential(3, rows),
        }


def keyed(of, whole):
    """The values and counts of a column, as Hyades bins them."""
    numbers = of["numbers"]
    digits, key, points = numbers["values"]["digits"], 0, []
    for word in numbers["values"]["counts"].split():
        step, _, count = word.rpartition(":")
        key += int(step) if step else 1
        points.append((key, int(count)))
    return digits, points, numbers["zeros"], whole


def number(key):
    """The double of an order-preserving key of 64 bits."""
    bits = key & ~(1 << 63) if key >> 63 else ~key & (2**64 - 1)
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def values(column, digits):
    """Values with their counts by keys of so many digits."""
    own, points, zeros, whole = column
    coarse = {}
    for key, count in points:
        coarse[key >> (own - digits)] = coarse.get(key >> (own - digits), 0) + count
    found = []
    for key, count in sorted(coarse.items()):
        dropped = 52 - digits
        low, high = number(key << dropped), number((key << dropped) | ((1 << dropped) - 1))
        if whole:
            low, high = np.ceil(low), np.floor(high)
        middle = low + (high - low) / 2
        found.append((np.floor(middle) if whole else middle, count))
    if zeros:
        found.append((0.0, zeros))
    found.sort()
    return np.array([v for v, _ in found]), np.array([n for _, n in found])


def clip_of(points, counts):
    """The values beyond which one in a thousand lies."""
    cut = counts.sum() // 1000
    low = points[np.argmax(np.cumsum(counts) > cut)]
    high = points[::-1][np.argmax(np.cumsum(counts[::-1]) > cut)]
    return low, high


def apart(a, b):
    return abs(a - b) / max(1.0, abs(b))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    worst, bad = {}, False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        raw = list(months(arguments.rows))
        for name, columns in zip(["october", "november"], raw):
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        run = lambda *words: subprocess.run([arguments.hyades, *map(str, words)], check=True, capture_output=True)
        run("fit", folder / "october.parquet", "--k", 4, "--n-init", 1, "--out", folder / "fit")
        run("assign", folder / "fit", folder / "november.parquet", "--out", folder / "labels")
        reference = json.loads((folder / "fit/model.json").read_text())["model"]["reference"]
        drift = json.loads((folder / "labels/drift.json").read_text())
    print(f"{'column':<10} {'PSI':>9} {'JS':>9} {'binned W1':>10} {'raw W1':>9} {'error':>9}")
    for feature in drift["features"]:
        name = feature["name"]
        sides = [[b[side] for b in feature["bins"]] for side in ("reference", "now")]
        if None not in sides[0] + sides[1]:
            p, q = ((np.array(n) + 0.5) / (sum(n) + 0.5 * len(n)) for n in sides)
            found = {"psi": float(np.sum((q - p) * np.log(q / p))), "js": float(jensenshannon(p, q, 2))}
            found["w"] = float(np.sqrt(np.sum((q - p) ** 2 / p)))
            for figure, expected in found.items():
                worst[figure] = max(worst.get(figure, 0), apart(feature[figure], expected))
        columns = [next(c for c in of["columns"] if c["name"] == name) for of in (reference, drift["counts"])]
        whole = all(c["numbers"]["whole"] for c in columns)
        both = [keyed(c["all"], whole) for c in columns]
        digits = min(of[0] for of in both)
        (a, n), (b, m) = (values(of, digits) for of in both)
        low, high = clip_of(a, n)
        deviation = columns[0]["numbers"]["deviation"]
        expected = wasserstein_distance(np.clip(a, low, high), np.clip(b, low, high), n, m) / deviation
        worst["w1"] = max(worst.get("w1", 0), apart(feature["distance"], expected))
        then, now = (np.asarray(month[name]) for month in raw)
        edges = np.quantile(then, [0.001, 0.999])
        exact = wasserstein_distance(np.clip(then, *edges), np.clip(now, *edges)) / then.std()
        print(f"{name:<10} {feature['psi']:9.5f} {feature['js']:9.5f} {feature['distance']:10.6f} {exact:9.6f} "
              f"{feature['distance'] - exact:+9.1e}")
    for figure, difference in worst.items():
        bad |= difference > WITHIN
        print(f"{figure}: at most {difference:.1e} from scipy's")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
