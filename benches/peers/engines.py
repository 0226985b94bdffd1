"""Hyades and its rivals behind one function: the same values, the same starting centroids, up to so many passes.

Enters: a `Task`. Leaves: for every engine the same dict: `passes_ms` (empty where the engine shows no single pass),
`seconds` in passes, `fit_seconds`, `iterations`, `inertia` and `peak_mib`. `seconds` is the sum of the passes, or the
whole fit where they cannot be seen: nothing else is subtracted.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    # For what is thrown away afterwards.
    folder: Path
    # Seconds after which a run is stopped.
    give_up: float

    def __post_init__(self):
        self.columns = prepared.write_starts(self.file, [self.id_column], self.k, self.starts)

    @property
    def starts(self) -> Path:
        return self.folder / f"starts-{self.k}.parquet"

    @property
    def raw_starts(self) -> Path:
        return self.starts.with_suffix(".f32")

    @property
    def matrix(self) -> Path:
        return self.file.with_suffix(".f32")

    @property
    def features(self) -> int:
        return len(self.columns)


def share(task: Task) -> None:
    """Writes what rivals start from: the starts, and the prepared values as a matrix beside the file, where it is kept
    for as long as Hyades prepares them so."""
    fit = prepared.fit(task.hyades, task.file, task.folder / "fit", *options(task, 1), give_up=task.give_up)
    (prepared.starts_of(task.columns, fit) * fit.step).astype("<f4").tofile(task.raw_starts)
    recipe, kept = {"columns": fit.columns, "step_exponent": fit.step_exponent}, task.matrix.with_suffix(".json")
    if not (task.matrix.exists() and kept.exists() and json.loads(kept.read_text()) == recipe):
        kept.unlink(missing_ok=True)
        prepared.matrix_of(task.file, fit).astype("<f4", copy=False).tofile(task.matrix)
        kept.write_text(json.dumps(recipe))


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
    if engine == "hyades":
        fit = prepared.fit(task.hyades, task.file, task.folder / "fit", *options(task, task.passes),
                           give_up=task.give_up)
        centers = fit.grid_centers * fit.step
        result = {"passes_ms": fit.passes_ms, "iterations": len(fit.passes_ms), "stages": fit.stages,
                  "fit_seconds": fit.stages["passes"], "job_seconds": fit.seconds, "stop": fit.model["stop"]}
        process_took = fit
    else:
        out = task.folder / "centers.f32"
        crate = engine in ("linfa", "fastkmeans")
        program = [CRATES] if crate else [sys.executable, HERE / "rivals.py"]
        if crate and not CRATES.exists():
            raise process.Failed("not built: cd benches/peers/rust && cargo build --release")
        done = process.timed([*program, engine, task.matrix, task.raw_starts, task.features, task.passes, out],
                             task.give_up)
        result, process_took = json.loads(done.out.splitlines()[-1]), done
        centers = np.fromfile(out, "<f4").reshape(task.k, task.features)
    result["seconds"] = sum(result["passes_ms"]) / 1e3 or result["fit_seconds"]
    return {**result, "peak_mib": process_took.peak_mib, "others": process_took.others, "centers": centers}


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
