"""`hyades compare` against scikit-learn: adjusted Rand, adjusted mutual information, homogeneity, completeness, V.

    python compare.py --hyades target/release/hyades [--rows 3000] [--seeds 4]

Random labellings, labellings that agree in part, sizes far apart, single segments, identical ones, and two clusterings of
scikit-learn's own sets. Ids are in another order in the second table, and some rows have no segment in one of them, which
scikit-learn is not shown. Exits with 1 if an index differs by more than 1e-12; by 1e-10 for adjusted mutual information of
many segments, where scikit-learn's logarithms of factorials lose digits. With --exact, and mpmath installed, adjusted mutual
information is compared with 40 digits instead, to 1e-13.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn import datasets, metrics
from sklearn.cluster import AgglomerativeClustering, KMeans

WITHIN = {"adjusted_mutual_information": 1e-10}
EXACT = {"adjusted_mutual_information": 1e-13}
FEW = 30


def random_cases(rows, seeds):
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for lines, columns in [(2, 2), (3, 8), (17, 11), (60, 90), (rows // 3, rows // 5)]:
            a, b = rng.integers(0, lines, rows), rng.integers(0, columns, rows)
            yield f"random {lines} x {columns}, seed {seed}", a, b
            yield f"half alike {lines} x {columns}, seed {seed}", a, np.where(rng.random(rows) < 0.5, a % columns, b)
        skewed = (rng.pareto(1.0, rows)).astype(int) % 40
        yield f"skewed, seed {seed}", skewed, np.where(rng.random(rows) < 0.9, skewed, rng.integers(0, 40, rows))


def other_cases(rows):
    a = np.arange(rows) % 7
    yield "identical", a, 6 - a
    yield "one segment each", np.zeros(rows, int), np.ones(rows, int)
    yield "one against seven", np.zeros(rows, int), a
    yield "all apart", np.arange(rows), a
    for name, x in [("iris", datasets.load_iris().data), ("wine", datasets.load_wine().data),
                    ("digits", datasets.load_digits().data)]:
        for k in (3, 10):
            means = KMeans(k, n_init=3, random_state=0).fit_predict(x)
            yield f"{name}, k-means and Ward, k = {k}", means, AgglomerativeClustering(k).fit_predict(x)
            yield f"{name}, k-means and classes, k = {k}", means, getattr(datasets, f"load_{name}")().target


def write(path, ids, labels, missing):
    values = pa.array(labels.astype(np.int32), mask=missing)
    pq.write_table(pa.table({"id": ids, "segment": values}), path)


def by_hyades(program, folder, a, b, rng):
    rows = len(a)
    ids, missing = np.arange(rows) * 3, rng.random((2, rows)) < 0.02
    write(folder / "a.parquet", ids, a, missing[0])
    order = rng.permutation(rows)
    write(folder / "b.parquet", ids[order], b[order], missing[1][order])
    command = [program, "compare", folder / "a.parquet", folder / "b.parquet", "--json", "-", "--small-cells", "0", "-q"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    kept = ~missing.any(axis=0)
    return report["pairs"][0]["agreement"], a[kept], b[kept]


def by_sklearn(a, b):
    homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(a, b)
    return {
        "adjusted_rand": metrics.adjusted_rand_score(a, b),
        "adjusted_mutual_information": metrics.adjusted_mutual_info_score(a, b),
        "homogeneity": homogeneity,
        "completeness": completeness,
        "v_measure": v,
    }


def exact_ami(a, b):
    """Adjusted mutual information by its definition, with 40 digits."""
    import mpmath as mp
    mp.mp.dps = 40
    rows = len(a)
    lines, columns, both = Counter(a.tolist()), Counter(b.tolist()), Counter(zip(a.tolist(), b.tolist()))
    if len(lines) == len(columns) == 1:
        return 1.0
    if 1 in (len(lines), len(columns)):
        return 0.0
    def information(n, line, column):
        return mp.mpf(n) / rows * mp.log(mp.mpf(rows) * n / (line * column))
    def entropy(counts):
        return -sum(mp.mpf(n) / rows * mp.log(mp.mpf(n) / rows) for n in counts.values())
    mutual = sum(information(n, lines[i], columns[j]) for (i, j), n in both.items())
    expected = mp.mpf(0)
    for line, times in Counter(lines.values()).items():
        for column, more in Counter(columns.values()).items():
            all_ways = mp.binomial(rows, column)
            ways = ((n, mp.binomial(line, n) * mp.binomial(rows - line, column - n))
                    for n in range(max(1, line + column - rows), min(line, column) + 1))
            expected += times * more * sum(w / all_ways * information(n, line, column) for n, w in ways)
    most = (entropy(lines) + entropy(columns)) / 2
    return 1.0 if len(both) == len(lines) == len(columns) else float((mutual - expected) / (most - expected))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--exact", action="store_true")
    args = parser.parse_args()
    rng, worst, n, failed = np.random.default_rng(99), Counter(), 0, False
    with tempfile.TemporaryDirectory() as folder:
        for name, a, b in [*random_cases(args.rows, args.seeds), *other_cases(args.rows)]:
            found, a, b = by_hyades(args.hyades, Path(folder), a, b, rng)
            expected = by_sklearn(a, b)
            if args.exact:
                expected["adjusted_mutual_information"] = exact_ami(a, b)
            is_small = max(len(set(a)), len(set(b))) <= FEW
            within = EXACT if args.exact else {} if is_small else WITHIN
            differences = {index: abs(found[index] - expected[index]) for index in expected}
            n += 1
            for index, difference in differences.items():
                worst[index] = max(worst[index], difference)
                if difference > within.get(index, 1e-12):
                    print(f"{name}: {index} {found[index]}, expected {expected[index]}")
                    failed = True
    print(f"{n} pairs of labellings; largest differences: " + ", ".join(f"{i} {d:.1e}" for i, d in worst.items()))
    sys.exit(failed)


if __name__ == "__main__":
    main()
