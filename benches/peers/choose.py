"""Choose: its indices against scikit-learn's, and the numbers of segments that it recommends.

    python choose.py --hyades target/release/hyades --sets FOLDER

FOLDER is a copy of the clustering benchmark suite (gagolews/clustering-data-v1). Indices are computed from the values as
Hyades prepares them (recipe apply) and from the labels of the same fits; silhouettes are those of squared distances. The
recommendation is compared with the number of published clusters in sets whose clusters k-means can find, at least in
part. Exits with 1 if an index differs by more than one part in 10^10.
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
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from optimum import published

MOST_APART = 1e-10
COMPARED = [("fcps/hepta", [2, 7]), ("uci/wine", [3]), ("uci/ecoli", [2, 8]), ("wut/x2", [3]), ("graves/zigzag", [5])]
KNOWN = [
    "fcps/hepta", "fcps/tetra", "fcps/twodiamonds", "graves/fuzzyx", "graves/parabolic", "other/iris", "sipu/a1",
    "sipu/a2", "sipu/d31", "sipu/r15", "sipu/s1", "sipu/s2", "sipu/s3", "sipu/s4", "sipu/unbalance", "uci/ecoli",
    "uci/wine", "wut/x1", "wut/x2", "wut/twosplashes", "g2mg/g2mg_2_30", "g2mg/g2mg_16_30", "g2mg/g2mg_128_50",
    "h2mg/h2mg_2_30", "h2mg/h2mg_64_50",
]


def run(*arguments) -> None:
    subprocess.run([str(a) for a in arguments], check=True, capture_output=True)


def write(folder: Path, values: np.ndarray) -> tuple[Path, list[str]]:
    names = [f"f{i}" for i in range(values.shape[1])]
    file = folder / "in.parquet"
    pq.write_table(pa.table(dict(zip(names, values.T))), file)
    return file, ["--features", ",".join(names), "--transform", "none", "--scale", "none"]


def choose(program: str, folder: Path, values: np.ndarray, *more) -> tuple[dict, float]:
    file, options = write(folder, values)
    began = time.perf_counter()
    run(program, "choose", file, *options, "--json", folder / "choice.json", "-q", *more)
    return json.loads((folder / "choice.json").read_text()), time.perf_counter() - began


def apart(program: str, folder: Path, values: np.ndarray, k: int) -> float:
    """The largest relative difference of an index."""
    none = ["--seeds", 0, "--replicates", 0, "--halvings", 0, "--references", 0]
    report, _ = choose(program, folder, values, "--k", f"{k}..{k}", *none)
    validity = report["alternatives"][0]["validity"]
    file, options = write(folder, values)
    run(program, "fit", file, *options, "--k", k, "--out", folder / "out", "--no-profile", "-q")
    run(program, "recipe", "apply", folder / "out", file, "--out", folder / "prepared.parquet", "-q")
    prepared = pq.read_table(folder / "prepared.parquet").to_pandas().filter(regex="^f").to_numpy(np.float64)
    labels = pq.read_table(folder / "out/segments").column("segment").to_numpy()
    own = {
        "silhouette": silhouette_score(prepared, labels, metric="sqeuclidean"),
        "calinski_harabasz": calinski_harabasz_score(prepared, labels),
        "davies_bouldin": davies_bouldin_score(prepared, labels),
    }
    return max(abs(validity[name] / value - 1) for name, value in own.items())


def clusters(folder: Path, name: str) -> int:
    with gzip.open(folder / f"{name}.labels0.gz", "rt") as file:
        return len(set(np.loadtxt(file, dtype=int)) - {0})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--names", nargs="*", default=KNOWN)
    parser.add_argument("--compared", action="store_true", help="only the comparison of indices")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        worst = 0.0
        for name, ks in COMPARED:
            for k in ks:
                difference = apart(given.hyades, folder, published(given.sets, name), k)
                print(f"{name:20} k = {k:2}: indices differ by {difference:.1e}", flush=True)
                worst = max(worst, difference)
        if worst > MOST_APART:
            sys.exit(f"an index differs by {worst:.1e}")
        first, both = 0, 0
        for name in [] if given.compared else given.names:
            known = clusters(given.sets, name)
            report, seconds = choose(given.hyades, folder, published(given.sets, name), "--k", f"2..{max(16, 2 * known)}")
            of = report["recommendation"]
            votes = {vote["criterion"]: vote["k"] for vote in of["votes"]}
            first, both = first + (of["first"] == known), both + (known in (of["first"], of["second"]))
            state = "clear" if of["clear"] else "not clear"
            print(f"{name:20} {known:2} published: {of['first']}, {of['second']} ({state}) {votes} {seconds:.1f} s", flush=True)
        if not given.compared:
            print(f"first: {first}, among the first two: {both}, of {len(given.names)}")


main()
