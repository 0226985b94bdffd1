"""Hyades' Gaussian mixtures against scikit-learn's GaussianMixture: same prepared values, same start, same iterations.

    python mixture.py --hyades target/release/hyades [--rows 1M] [--features 16] [--k 8] [--iterations 10]
                      [--covariance diag full tied spherical] [FILE:ID ...]

Without files a synthetic bank is made. Both start from the labels of Hyades' k-means; the tolerance is 0, `reg_covar`
1e-6, and there is no floor of variances. Timed are the iterations alone: the stage `mixture` of Hyades, which includes
the sums of the start, and `fit` of scikit-learn, which is given weights, means and precisions, and ends with one more
E-step. Exits with 1 if a log-likelihood differs by more than 1e-7 of its size.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_info

import banks
import prepared

LIKELIHOOD_WITHIN = 1e-7
REG_COVAR = 1e-6


def start_of(values: np.ndarray, labels: np.ndarray, k: int, shape: str) -> dict:
    """Weights, means and precisions of labelled rows, as `GaussianMixture` wants them."""
    groups = [values[labels == j] for j in range(k)]
    weights = np.array([len(group) for group in groups]) / len(values)
    means = np.array([group.mean(axis=0) for group in groups])
    eye = REG_COVAR * np.eye(values.shape[1])
    if shape in ("full", "tied"):
        own = np.array([np.cov(group.T, bias=True).reshape(eye.shape) for group in groups])
        if shape == "tied":
            precisions = np.linalg.inv(np.tensordot(weights, own, 1) + eye)
        else:
            precisions = np.linalg.inv(own + eye)
    else:
        variances = np.array([group.var(axis=0) for group in groups]) + REG_COVAR
        precisions = 1.0 / (variances if shape == "diag" else variances.mean(axis=1))
    return {"weights_init": weights, "means_init": means, "precisions_init": precisions}


def compare(hyades: str, file: Path, id_column: str, shape: str, args: argparse.Namespace, folder: Path) -> dict:
    begun = prepared.fit(hyades, file, folder / "kmeans", "--k", str(args.k), "--id", id_column, "--no-profile")
    labels = pq.read_table(begun.labelled, columns=["segment"]).column("segment").to_numpy()
    fit = prepared.fit(hyades, file, folder / shape, "--k", str(args.k), "--id", id_column, "--no-profile",
                       "--algorithm", "gmm", "--covariance", shape, "--tol", "0", "--variance-floor", "0",
                       "--max-iter", str(args.iterations))
    values = prepared.grid_of(file, begun) * begun.step
    start = start_of(values, labels, args.k, shape)
    theirs = GaussianMixture(args.k, covariance_type=shape, tol=0, reg_covar=REG_COVAR, max_iter=args.iterations, **start)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(values)
    seconds = time.perf_counter() - begin
    ours, bounds = np.array(fit.model["lower_bounds_"]), np.array(theirs.lower_bounds_)
    ours_seconds = fit.stages["mixture"]
    assigned = pq.read_table(fit.labelled, columns=["segment", "posterior"])
    # Components are numbered by size here, and in the order of the start there.
    order = np.argmin(np.square(np.array(fit.model["scaled_means_"])[:, None] - theirs.means_[None]).sum(2), axis=1)
    return {
        "file": file.name, "rows": len(values), "features": values.shape[1], "k": args.k, "covariance": shape,
        "iterations": len(ours), "hyades_seconds": ours_seconds, "sklearn_seconds": seconds,
        "times": seconds / ours_seconds,
        "likelihood_difference": float(np.max(np.abs(ours / bounds - 1.0))),
        "bic_difference": abs(fit.model["bic_"] / theirs.bic(values) - 1.0),
        "labels_equal": float((order[assigned.column("segment").to_numpy()] == theirs.predict(values)).mean()),
        "lower_bound": [ours[-1], bounds[-1]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--rows", type=banks.count, default=1_000_000)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--covariance", nargs="+", default=["diag", "full", "tied", "spherical"])
    parser.add_argument("--banks", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    files = [(Path(file), id_column) for file, id_column in (text.rsplit(":", 1) for text in args.files)]
    files = files or [(banks.bank(args.hyades, args.banks, args.rows, args.features), banks.ID)]
    print("threads of scikit-learn:", {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()})
    results = []
    for file, id_column in files:
        for shape in args.covariance:
            with tempfile.TemporaryDirectory() as folder:
                result = compare(args.hyades, file, id_column, shape, args, Path(folder))
            results.append(result)
            print(f"{result['file']} {result['rows']} x {result['features']}, k = {args.k}, {shape}: Hyades "
                  f"{result['hyades_seconds']:.3f} s, scikit-learn {result['sklearn_seconds']:.2f} s, "
                  f"{result['times']:.1f} x; log-likelihood within {result['likelihood_difference']:.1e}, BIC within "
                  f"{result['bic_difference']:.1e}, labels equal {result['labels_equal']:.6f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if any(result["likelihood_difference"] > LIKELIHOOD_WITHIN for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
