"""The rivals that are Python packages, on a prepared matrix from given centroids; `rust/` is the same for crates.

    python rivals.py NAME MATRIX STARTS FEATURES PASSES CENTERS

Enters: raw little-endian float32 matrices, row by row; NAME is `sklearn`, `intelex` or `faiss`. Leaves: the centroids
in the file CENTERS, of the same kind, and one line of JSON: seconds of the fit, iterations, and milliseconds of each
pass where the package lets them be seen. All stop at PASSES or at their fixpoint. One process a run, so that the peaks
of memory do not add up; the matrix is read rather than mapped, because only memory of its own has huge pages.
"""

import json
import sys
import time
import warnings

import numpy as np


def sklearn(values: np.ndarray, starts: np.ndarray, passes: int) -> tuple[np.ndarray, dict]:
    """The function that makes a pass is wrapped, which is why requirements.txt pins the version."""
    from sklearn.cluster import _kmeans

    calls, one_pass = [], _kmeans.lloyd_iter_chunked_dense

    def watched(*arguments, **options):
        start = time.perf_counter()
        result = one_pass(*arguments, **options)
        calls.append((start, time.perf_counter()))
        return result

    _kmeans.lloyd_iter_chunked_dense = watched
    model = _kmeans.KMeans(len(starts), init=starts, n_init=1, algorithm="lloyd", tol=0, max_iter=passes)
    start = time.perf_counter()
    model.fit(values)
    seconds = time.perf_counter() - start
    # A pass lasts until the next one starts. One call more, if there is one, only labels.
    calls, extra = calls[: model.n_iter_], calls[model.n_iter_ :]
    if len(calls) != model.n_iter_ or len(extra) > 1:
        raise SystemExit("passes of another number than iterations: another version of scikit-learn")
    ends = [start for start, _ in calls[1:] + extra]
    if not extra:
        ends.append(calls[-1][1])
    each = [(end - start) * 1e3 for (start, _), end in zip(calls, ends)]
    return model.cluster_centers_, {"fit_seconds": seconds, "iterations": model.n_iter_, "passes_ms": each}


def intelex(values: np.ndarray, starts: np.ndarray, passes: int) -> tuple[np.ndarray, dict]:
    from sklearnex.cluster import KMeans

    model = KMeans(len(starts), init=starts, n_init=1, algorithm="lloyd", tol=0, max_iter=passes)
    start = time.perf_counter()
    model.fit(values)
    seconds = time.perf_counter() - start
    if not hasattr(model, "_onedal_estimator"):
        raise SystemExit("scikit-learn-intelex left this fit to scikit-learn")
    return model.cluster_centers_, {"fit_seconds": seconds, "iterations": int(model.n_iter_), "passes_ms": []}


def faiss(values: np.ndarray, starts: np.ndarray, passes: int) -> tuple[np.ndarray, dict]:
    import faiss

    (k, features), options = starts.shape, faiss.ClusteringParameters()
    options.niter = passes
    # All rows rather than 256 a centroid, and no look for values that are not there.
    options.max_points_per_centroid = len(values)
    options.min_points_per_centroid = 1
    options.check_input_data_for_NaNs = False
    clustering = faiss.Clustering(features, k, options)
    faiss.copy_array_to_vector(starts.ravel(), clustering.centroids)
    start = time.perf_counter()
    clustering.train(values, faiss.IndexFlatL2(features))
    seconds = time.perf_counter() - start
    stats = clustering.iteration_stats
    # Seconds since the start of the fit.
    each = np.diff([0.0] + [stats.at(i).time * 1e3 for i in range(stats.size())]).tolist()
    centers = faiss.vector_to_array(clustering.centroids).reshape(k, features)
    return centers, {"fit_seconds": seconds, "iterations": len(each), "passes_ms": each}


def main() -> None:
    warnings.simplefilter("ignore")
    name, matrix, starts, features, passes, out = sys.argv[1:]
    read = lambda path: np.fromfile(path, "<f4").reshape(-1, int(features))
    fit = {"sklearn": sklearn, "intelex": intelex, "faiss": faiss}[name]
    centers, figures = fit(read(matrix), read(starts), int(passes))
    np.asarray(centers, "<f4").tofile(out)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
