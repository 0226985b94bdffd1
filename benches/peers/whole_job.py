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
import statistics
import sys
import tempfile
from pathlib import Path

import prepared
import process
from process import timed

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
import sys, time, duckdb
file, names = sys.argv[1], sys.argv[2].split(",")
duckdb.execute(f"describe select * from '{file}'").fetchall()
start = time.perf_counter()
duckdb.execute("select " + ", ".join(f'sum("{n}")' for n in names) + f" from '{file}'").fetchall()
print(time.perf_counter() - start)
"""


def scan(file: Path, names: list[str], give_up: float | None = None) -> float:
    """Seconds in which DuckDB scans the columns and adds each up, in a process of its own; its start is not counted."""
    return float(timed([sys.executable, "-c", SCAN, file, ",".join(names)], give_up).out)


def measure(hyades: str, file: Path, id_column: str, k: int, runs: int, folder: Path, limit: float = 300,
            give_up: float | None = None, say=lambda line: None) -> dict:
    """Medians of runs in turn; if the rival's first takes more than `limit` seconds, it is run once."""
    ours, theirs, scans, skipped = [], [], [], None
    for _ in range(runs):
        fit = prepared.fit(hyades, file, folder / "fit", "--id", id_column, "--k", str(k), "--backend", "cpu",
                           give_up=give_up)
        ours.append({"seconds": fit.seconds, "peak_mib": fit.peak_mib, "passes": len(fit.passes_ms),
                     "inertia": fit.model["inertia_"], "others": fit.others, "stages": fit.stages})
        scans.append(scan(file, [c["name"] for c in fit.columns], give_up))
        say(f"  hyades {fit.seconds:.2f} s, scan {scans[-1]:.2f} s")
        if skipped or (theirs and theirs[0]["seconds"] > limit):
            skipped = skipped or f"run once: its first run took more than {limit:g} s"
            continue
        logged = ",".join(c["name"] for c in fit.columns if c["transform"] == "signed-log1p")
        try:
            done = timed([sys.executable, "-c", RIVAL, file, id_column, k, logged, folder / "theirs.parquet"], give_up)
        except process.Failed as why:
            skipped = str(why)
            continue
        inertia, passes = done.out.split()
        theirs.append({"seconds": done.seconds, "peak_mib": done.peak_mib, "passes": int(passes),
                       "inertia": float(inertia), "others": done.others})
        say(f"  polars + scikit-learn {done.seconds:.2f} s")
    middle = lambda some: {name: statistics.median(run[name] for run in some) for name in some[0] if name != "stages"}
    ratios = [r["seconds"] / h["seconds"] for h, r in zip(ours, theirs)]
    return {
        "rows": fit.model["provenance"]["rows"], "features": fit.model["n_features_in_"], "k": k, "turns": runs,
        "load": os.getloadavg()[0], "hyades": middle(ours), "polars": middle(theirs) if theirs else None,
        "scan_seconds": statistics.median(scans), "ratios": ratios,
        "ratio": statistics.median(ratios) if ratios else None,
        "over_scan": statistics.median(h["seconds"] / s for h, s in zip(ours, scans)),
        "skipped": {"polars": skipped} if skipped else {},
        "runs": {"hyades": ours, "polars": theirs, "scan_seconds": scans},
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
        r = measure(given.hyades, Path(file), id_column, given.k, given.runs, Path(folder))
    print(f"n={r['rows']} d={r['features']} k={r['k']}, {os.cpu_count()} cores, medians of {r['turns']} runs")
    print(f"{'':<24}{'seconds':>10}{'MiB':>10}{'passes':>8}{'inertia':>16}")
    for name, key in (("Hyades", "hyades"), ("polars + scikit-learn", "polars")):
        if row := r[key]:
            print(f"{name:<24}{row['seconds']:>10.2f}{row['peak_mib']:>10.0f}{row['passes']:>8.0f}"
                  f"{row['inertia']:>16.6e}")
    print(f"{'DuckDB, scan and sum':<24}{r['scan_seconds']:>10.2f}")
    if r["ratio"]:
        print(f"rival / Hyades: {r['ratio']:.1f} (each pair: {', '.join(f'{x:.1f}' for x in r['ratios'])})")
    print(f"Hyades / scan: {r['over_scan']:.1f}")
    for why in r["skipped"].values():
        print(f"polars + scikit-learn: {why}")
    if given.json:
        given.json.write_text(json.dumps(r, indent=2) + "\n")


if __name__ == "__main__":
    main()
