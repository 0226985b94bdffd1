"""The whole job: Parquet in, labelled Parquet out. Hyades beside polars + scikit-learn, and DuckDB's scan as the floor.

    hyades synth --rows 10000000 --features 16 --segments 16 --seed 1 --out bank.parquet
    python whole_job.py --hyades target/release/hyades --k 16 bank.parquet:customer_id

The rival is written as its users would write it at their best: polars reads, transforms and standardises on all
threads, scikit-learn fits (k-means++, n_init=1, 100 iterations at most, float32), polars writes. It takes the logarithm
of the columns of which Hyades does, so that inertias can be compared. Runs alternate; every run is a process of its own
under GNU time. Figures: see README.md.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RIVAL = """
import sys, numpy as np, polars as pl
from sklearn.cluster import KMeans
file, id_column, k, logged, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(","), sys.argv[5]
table = pl.scan_parquet(file)
names = [n for n in table.collect_schema().names() if n not in (id_column, "true_segment")]
value = lambda n: pl.col(n).cast(pl.Float64)
landed = [(value(n).sign() * value(n).abs().log1p() if n in logged else value(n)).alias(n) for n in names]
table = table.select(pl.col(id_column), *landed)
table = table.with_columns([pl.col(n).fill_null(pl.col(n).median()) for n in names])
table = table.with_columns([((pl.col(n) - pl.col(n).mean()) / pl.col(n).std(ddof=0)).cast(pl.Float32) for n in names])
table = table.collect()
values = np.ascontiguousarray(table.select(names).to_numpy())
fit = KMeans(k, n_init=1, max_iter=100, algorithm="lloyd", random_state=0).fit(values)
table.select(id_column).with_columns(pl.Series("segment", fit.labels_)).write_parquet(out, compression="snappy")
gaps = values - fit.cluster_centers_[fit.labels_]
print(np.einsum("ij,ij->", gaps, gaps, dtype=np.float64), fit.n_iter_)
"""

SCAN = """
import sys, duckdb
file = sys.argv[1]
names = [r[0] for r in duckdb.execute(f"describe select * from '{file}'").fetchall()]
duckdb.execute("select " + ", ".join(f'sum("{n}")' for n in names) + f" from '{file}'").fetchall()
"""


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak MiB and what was printed."""
    done = subprocess.run(["/usr/bin/time", "-f", "%e %M", *command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    seconds, peak = re.search(r"([\d.]+) (\d+)\s*$", done.stderr).groups()
    return float(seconds), int(peak) / 1024, done.stdout


def measure(hyades: str, file: str, id_column: str, k: int, runs: int, folder: Path) -> dict:
    fit = [hyades, "fit", file, "--id", id_column, "--k", str(k), "--backend", "cpu", "--out", str(folder / "ours"), "-q"]
    timed(fit)
    model = json.loads((folder / "ours/model.json").read_text())["model"]
    logged = ",".join(c["name"] for c in model["recipe"]["columns"] if c["transform"] == "signed-log1p")
    rival = [sys.executable, "-c", RIVAL, file, id_column, str(k), logged, str(folder / "theirs.parquet")]
    scan = [sys.executable, "-c", SCAN, file]
    empty = [sys.executable, "-c", "import duckdb"]
    every = {"hyades": [], "rival": [], "scan": [], "start": []}
    for _ in range(runs):
        for name, command in (("hyades", fit), ("rival", rival), ("scan", scan), ("start", empty)):
            every[name].append(timed(command))
    middle = lambda name, i: statistics.median(run[i] for run in every[name])
    inertia, passes = every["rival"][-1][2].split()
    return {
        "file": Path(file).name, "rows": model["provenance"]["rows"], "d": model["n_features_in_"], "k": k, "runs": runs,
        "cores": os.cpu_count(), "load": os.getloadavg()[0],
        "hyades": {"seconds": middle("hyades", 0), "peak_mib": middle("hyades", 1), "inertia": model["inertia_"],
                   "passes": model["n_iter_"]},
        "rival": {"seconds": middle("rival", 0), "peak_mib": middle("rival", 1), "inertia": float(inertia),
                  "passes": int(passes)},
        "scan_seconds": middle("scan", 0) - middle("start", 0),
        "ratios": [r[0] / h[0] for h, r in zip(every["hyades"], every["rival"])],
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--hyades", required=True, help="the program")
    arguments.add_argument("--k", type=int, default=16, help="segments (default 16)")
    arguments.add_argument("--runs", type=int, default=3, help="runs of each, alternating (default 3)")
    arguments.add_argument("--json", type=Path, help="also write the figures here")
    arguments.add_argument("file", metavar="FILE:ID", help="a Parquet file and its id column")
    given = arguments.parse_args()
    file, _, id_column = given.file.rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        r = measure(given.hyades, file, id_column, given.k, given.runs, Path(folder))
    print(f"n={r['rows']} d={r['d']} k={r['k']}, {r['cores']} cores, medians of {r['runs']} runs")
    print(f"{'':<24}{'seconds':>10}{'MiB':>10}{'passes':>8}{'inertia':>16}")
    for name, key in (("Hyades", "hyades"), ("polars + scikit-learn", "rival")):
        row = r[key]
        print(f"{name:<24}{row['seconds']:>10.2f}{row['peak_mib']:>10.0f}{row['passes']:>8}{row['inertia']:>16.6e}")
    print(f"{'DuckDB, scan and sum':<24}{r['scan_seconds']:>10.2f}")
    print(f"rival / Hyades: {statistics.median(r['ratios']):.1f} (each pair: {', '.join(f'{x:.1f}' for x in r['ratios'])})")
    print(f"Hyades / scan: {r['hyades']['seconds'] / r['scan_seconds']:.1f}")
    if given.json:
        given.json.write_text(json.dumps(r, indent=2) + "\n")


if __name__ == "__main__":
    main()
