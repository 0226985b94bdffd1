"""Hyades and its rivals behind one function: the same values, the same starting centroids, up to so many passes.

Enters: a `Task`. Leaves: for every engine the same dict: `passes_ms` (empty where the engine shows no single pass),
`seconds` in passes, `fit_seconds`, `iterations`, `inertia` and `peak_mib`. `seconds` is the sum of the passes, or the
whole fit where they cannot be seen: nothing else is subtracted.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import prepared
import process

HERE = Path(__file__).parent
RIVALS = ["sklearn", "intelex", "faiss", "linfa", "fastkmeans"]
CRATES = HERE / "rust/target/release/rivals"
SPOKEN = {
    "hyades": "Hyades",
    "sklearn": "scikit-learn",
    "intelex": "scikit-learn-intelex",
    "faiss": "faiss",
    "linfa": "linfa-clustering",
    "fastkmeans": "fastkmeans-rs",
    "polars": "polars + scikit-learn",
    "duckdb": "DuckDB",
}
NO_SKIPPING = "--no-skipping"


@dataclass
class Task:
    """What every engine gets."""

    hyades: str
    file: Path
    id_column: str
    k: int
    passes: int
    # Hyades evaluates every distance in every pass.
    every_distance: bool
    folder: Path
    # Seconds after which a run is stopped.
    give_up: float
    matrix: Path
    features: int

    @property
    def starts(self) -> Path:
        return self.folder / f"starts-{self.k}.parquet"


def prepare(hyades: str, file: Path, id_column: str, k: int, passes: int, every_distance: bool, folder: Path,
            give_up: float) -> Task:
    """The prepared values as a matrix beside the file, kept for as long as Hyades prepares them so, and the starts."""
    task = Task(hyades, file, id_column, k, passes, every_distance, folder, give_up, file.with_suffix(".f32"), 0)
    starts = prepared.write_starts(file, [id_column], k, task.starts)
    fit = prepared.fit(hyades, file, folder / "fit", *options(task, 1))
    recipe = {"columns": fit.columns, "step_exponent": fit.step_exponent}
    of = file.with_suffix(".f32.json")
    if not (task.matrix.exists() and of.exists() and json.loads(of.read_text()) == recipe):
        of.unlink(missing_ok=True)
        prepared.matrix_of(file, fit).tofile(task.matrix)
        of.write_text(json.dumps(recipe))
    task.features = len(fit.columns)
    (prepared.starts_of(starts, fit) * fit.step).astype("<f4").tofile(task.starts.with_suffix(".f32"))
    return task


def can_switch_off_skipping(hyades: str) -> bool:
    return NO_SKIPPING in subprocess.run([hyades, "fit", "--help"], capture_output=True, text=True).stdout


def options(task: Task, passes: int) -> list[str]:
    chosen = ["--id", task.id_column, "--k", str(task.k), "--init", str(task.starts), "--tol", "0",
              "--max-iter", str(passes), "--backend", "cpu"]
    if task.every_distance and can_switch_off_skipping(task.hyades):
        chosen.append(NO_SKIPPING)
    return chosen


def run(engine: str, task: Task) -> dict:
    """One run of one engine; raises `process.Failed`."""
    load = os.getloadavg()[0]
    if engine == "hyades":
        fit = prepared.fit(task.hyades, task.file, task.folder / "fit", *options(task, task.passes),
                           give_up=task.give_up)
        centers = fit.grid_centers * fit.step
        result = {"passes_ms": fit.passes_ms, "iterations": len(fit.passes_ms), "stages": fit.stages,
                  "fit_seconds": fit.stages["passes"], "job_seconds": fit.seconds, "stop": fit.model["stop"]}
        peak = fit.peak_mib
    else:
        out = task.folder / "centers.f32"
        crate = engine in ("linfa", "fastkmeans")
        program = [CRATES] if crate else [sys.executable, HERE / "rivals.py"]
        if crate and not CRATES.exists():
            raise process.Failed("not built: cd benches/peers/rust && cargo build --release")
        done = process.timed([*program, engine, task.matrix, task.starts.with_suffix(".f32"), task.features,
                              task.passes, out], task.give_up)
        result, peak = json.loads(done.out.splitlines()[-1]), done.peak_mib
        centers = np.fromfile(out, "<f4").reshape(task.k, task.features)
    result["seconds"] = sum(result["passes_ms"]) / 1e3 or result["fit_seconds"]
    return {**result, "peak_mib": peak, "load": load, "centers": centers}


def inertia(task: Task, centers: np.ndarray) -> float:
    """The sum of squared distances to the nearest centroid, the same way for all: nearest by float32, added in
    float64."""
    values = np.memmap(task.matrix, "<f4", "r").reshape(-1, task.features)
    near, norms, total = centers.astype(np.float32).T.copy(), np.square(centers).sum(axis=1).astype(np.float32), 0.0
    step = max(1024, (1 << 24) // task.k)
    for at in range(0, len(values), step):
        rows = np.asarray(values[at : at + step])
        scores = rows @ near
        scores *= -2.0
        scores += norms
        gaps = rows - centers.astype(np.float64)[scores.argmin(axis=1)]
        total += float(np.einsum("ij,ij->", gaps, gaps))
    return total


def rows_of(file: Path) -> int:
    return pq.ParquetFile(file).metadata.num_rows
