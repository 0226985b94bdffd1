"""Runs Hyades, and rebuilds the values that it clustered, with numpy alone.

From a Parquet file and the model that Hyades fitted to it to the grid integers of every row, by the meaning that
`src/prepare/preparation/` gives to each constant of a model. No code of the program takes part, so an error in its
preparation, labels or sums shows.
"""

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import process

GRID_MAX = 2**23 - 1
LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG_SERIES = [
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
]


@dataclass
class Fit:
    """What `hyades fit` wrote to a folder, and what the process took."""

    model: dict
    manifest: dict
    labelled: Path
    seconds: float
    peak_mib: float
    others: float

    @property
    def passes_ms(self) -> list[float]:
        return [p["seconds"] * 1e3 for p in self.manifest["passes"]]

    @property
    def stages(self) -> dict[str, float]:
        return {s["stage"]: s["seconds"] for s in self.manifest["stages"]}

    @property
    def columns(self) -> list[dict]:
        return self.model["recipe"]["columns"]

    @property
    def step_exponent(self) -> int:
        return self.model["recipe"]["step_exponent"]

    @property
    def step(self) -> float:
        return math.ldexp(1.0, self.step_exponent)

    @property
    def grid_centers(self) -> np.ndarray:
        return np.array(self.model["grid_centers_"], np.int64)


def can_include(hyades: str) -> bool:
    return "--include" in subprocess.run([hyades, "fit", "--help"], capture_output=True, text=True).stdout


def every_number(hyades: str, file: Path, options: tuple[str, ...]) -> list[str]:
    """Options that make every numeric column but the id a feature: age and the like too, which are none by default."""
    if "--features" in options or "--id" not in options or not can_include(hyades):
        return []
    t = pa.types
    is_number = lambda kind: t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind) or t.is_boolean(kind)
    others = (options[options.index("--id") + 1], "true_segment")
    return ["--include", ",".join(f.name for f in pq.read_schema(file) if is_number(f.type) and f.name not in others)]


def only_part(model: dict) -> dict:
    """The model of a bank that is not divided, its result and preparation side by side; format 1 had them so."""
    if "parts" not in model:
        return model
    part, = model["parts"]
    names = part["feature_names_in_"]
    return {**part["fitted"], "recipe": part["preparation"], "provenance": model["provenance"],
            "feature_names_in_": names, "n_features_in_": len(names)}


def only_run(manifest: dict) -> dict:
    """The manifest of such a fit, its figures side by side; they were so before the request was recorded."""
    if "outcome" not in manifest:
        return manifest
    part, = manifest["parts"]
    return {**manifest["outcome"], "stages": manifest["stages"], "passes": part.get("passes", []),
            "columns": part["columns"], "device": manifest["device"]["device"], "plan": manifest.get("plan")}


def fit(hyades: str, file: Path, out: Path, *options: str, give_up: float | None = None) -> Fit:
    """Runs `hyades fit` and reads what it wrote."""
    done = process.timed([hyades, "fit", file, "--out", out, "-q", *options, *every_number(hyades, file, options)],
                         give_up)
    load = lambda name: json.loads((out / name).read_text())
    model, manifest = only_part(load("model.json")["model"]), only_run(load("manifest.json"))
    return Fit(model, manifest, out / "segments/part-00000.parquet", done.seconds, done.peak_mib, done.others)


def raw(file: Path, name: str) -> np.ndarray:
    """A numeric column as float64, NaN where it is null."""
    column = pq.read_table(file, columns=[name]).column(name)
    return pc.fill_null(column.cast(pa.float64(), safe=False), math.nan).to_numpy()


def numeric_columns(file: Path) -> list[str]:
    t = pa.types
    is_number = lambda kind: t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)
    return [field.name for field in pq.read_schema(file) if is_number(field.type)]


def write_starts(file: Path, exclude: list[str], k: int, out: Path) -> dict[str, np.ndarray]:
    """Writes `k` starting centroids, in the columns' own units: distinct rows without missing values, evenly spaced
    among those in the order of the file. Returns their columns."""
    names = [name for name in numeric_columns(file) if name not in exclude]
    # A few thousand rows from everywhere are enough to choose from, whatever the size of the file.
    rows = pq.ParquetFile(file).metadata.num_rows
    some = np.unique(np.linspace(0, rows - 1, 4096).astype(np.int64))
    values = np.column_stack([raw(file, name)[some] for name in names])
    values = values[np.isfinite(values).all(axis=1)]
    _, first = np.unique(values, axis=0, return_index=True)
    first.sort()
    if len(first) < k:
        raise SystemExit(f"{file}: fewer than {k} distinct complete rows to start from")
    chosen = values[first[np.linspace(0, len(first) - 1, k).astype(int)]]
    columns = {name: chosen[:, i] for i, name in enumerate(names)}
    pq.write_table(pa.table(columns), out)
    return columns


def ln_1p(x: np.ndarray) -> np.ndarray:
    """ln(1 + x) for finite x >= 0 with the bits of `src/numeric/elementary.rs`; numpy's last place may differ."""
    u = 1.0 + x
    lost = np.where(u < 2.0**53, x - (u - 1.0), 0.0) / u
    split = np.uint64(0x3FE6A09E00000000)
    bits = u.view(np.uint64) - split
    k = (bits >> np.uint64(52)).astype(np.float64)
    f = ((bits & np.uint64(0x000FFFFFFFFFFFFF)) + split).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = np.zeros_like(z)
    for coefficient in reversed(LOG_SERIES):
        r = z * (coefficient + r)
    half = 0.5 * f * f
    return k * LN2_HI - ((half - (s * (half + r) + (k * LN2_LO + lost))) - f)


def transformed(kind: str, x: np.ndarray) -> np.ndarray:
    if kind == "none":
        return x
    if kind == "signed-log1p":
        return np.copysign(ln_1p(np.abs(x)), x)
    if kind == "log1p":
        return np.where(x >= 0.0, ln_1p(np.maximum(x, 0.0)), -ln_1p(np.maximum(-x, 0.0) / (1.0 + x)))
    raise SystemExit(f"transform {kind!r} is unknown to this script")


def on_grid(column: dict, step_exponent: int, x: np.ndarray) -> np.ndarray:
    """The grid integers (int32) of raw values by a column's fitted constants."""
    steps = column["weight"] * math.ldexp(1.0, -step_exponent)
    limit = min(column["clip"] * steps, GRID_MAX) if column["clip"] is not None else float(GRID_MAX)
    shift, factor = column["origin"] - column["center"], steps / column["unit"]
    grid = lambda landed: np.rint(np.clip((landed.astype(np.float64) + shift) * factor, -limit, limit))
    far = float(np.finfo(np.float32).max)
    present = np.isfinite(x)
    values = transformed(column["transform"], np.where(present, x, 0.0))
    landed = np.clip(values - column["origin"], -far, far).astype(np.float32)
    fill = 0.0 if column["fill"] is None else grid(np.float32(column["fill"] - column["origin"]))
    return np.where(present, grid(landed), fill).astype(np.int32)


def grid_of(file: Path, fit: Fit) -> np.ndarray:
    """All rows on the grid, `rows x features`, int32."""
    rows = pq.ParquetFile(file).metadata.num_rows
    grid = np.empty((rows, len(fit.columns)), np.int32)
    for i, column in enumerate(fit.columns):
        grid[:, i] = on_grid(column, fit.step_exponent, raw(file, column["name"]))
    return grid


def matrix_of(file: Path, fit: Fit) -> np.ndarray:
    """All rows as float32, row-major: exact, as every grid integer is."""
    values = np.empty((pq.ParquetFile(file).metadata.num_rows, len(fit.columns)), np.float32)
    for i, column in enumerate(fit.columns):
        values[:, i] = on_grid(column, fit.step_exponent, raw(file, column["name"])) * fit.step
    return values


def starts_of(columns: dict[str, np.ndarray], fit: Fit) -> np.ndarray:
    """Starting centroids on the grid, `k x features`, int32."""
    return np.column_stack([on_grid(c, fit.step_exponent, columns[c["name"]]) for c in fit.columns])


def original(column: dict, step_exponent: int, grid: np.ndarray) -> np.ndarray:
    """The values in the column's own unit that grid integers stand for."""
    scaled = grid * math.ldexp(1.0, step_exponent) / column["weight"]
    t = scaled * column["unit"] + column["center"]
    if column["transform"] == "none":
        return t
    if column["transform"] == "log1p":
        return np.expm1(t)
    return np.copysign(np.expm1(np.abs(t)), t)
