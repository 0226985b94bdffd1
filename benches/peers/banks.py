"""The files to measure on: synthetic banks by `hyades synth`, and the same rows in other types and codecs.

Enters: rows and features. Leaves: a file in the folder, made when it is missing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import process

ID = "customer_id"
# No feature by default; the figures are of all.
PROTECTED = "age_years"
SEGMENTS = 16
MIXED = [pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(18, 2), pa.bool_()]
NULLS = 0.05


@dataclass(frozen=True)
class Cell:
    rows: int
    features: int
    k: int

    @classmethod
    def parse(cls, text: str) -> "Cell":
        found = re.fullmatch(r"([\d.]+[kM]?)x(\d+)k(\d+)", text)
        if not found:
            raise ValueError(f"{text!r}: expected rows x features k segments, such as 10Mx16k64")
        return cls(count(found[1]), int(found[2]), int(found[3]))

    @property
    def bank(self) -> str:
        return f"{short(self.rows)}x{self.features}"

    def __str__(self) -> str:
        return f"{self.bank}k{self.k}"


def count(text: str) -> int:
    """`300k` and `1.25M` as numbers."""
    unit = {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)
    return round(float(text.rstrip("kM")) * unit)


def short(rows: int) -> str:
    if rows % 1_000 or not rows:
        return str(rows)
    return f"{rows / 1e6:g}M" if rows >= 1_000_000 else f"{rows // 1_000}k"


def bank(hyades: str, folder: Path, rows: int, features: int) -> Path:
    file = folder / f"bank-{short(rows)}x{features}.parquet"
    if not file.exists():
        being_made = file.with_suffix(".part")
        process.timed([hyades, "synth", "--rows", rows, "--features", features, "--segments", SEGMENTS, "--seed", "1",
                       "--out", being_made, "-q"])
        being_made.rename(file)
    return file


def rewritten(source: Path, types: str, codec: str) -> Path:
    """The same rows and row groups: all features float32, or `mixed`: types in turn, and nulls."""
    file = source.with_name(f"{source.stem}-{types}-{codec}.parquet")
    if file.exists():
        return file
    being_made, original, random = file.with_suffix(".part"), pq.ParquetFile(source), np.random.default_rng(1)
    names = [name for name in original.schema_arrow.names if name != ID]
    kinds = {name: MIXED[i % len(MIXED)] if types == "mixed" else pa.float32() for i, name in enumerate(names)}
    schema = pa.schema([original.schema_arrow.field(ID), *(pa.field(name, kind) for name, kind in kinds.items())])
    with pq.ParquetWriter(being_made, schema, compression=codec) as writer:
        for group in range(original.num_row_groups):
            table = original.read_row_group(group)
            columns = [table.column(ID)]
            for name, kind in kinds.items():
                values = table.column(name).cast(pa.float64(), safe=False).combine_chunks().to_numpy(False)
                absent = random.random(len(values)) < NULLS if types == "mixed" else None
                columns.append(cast(values, kind, absent))
            writer.write_table(pa.table(columns, schema=schema), row_group_size=table.num_rows)
    being_made.rename(file)
    return file


def cast(values: np.ndarray, kind: pa.DataType, absent: np.ndarray | None) -> pa.Array:
    if pa.types.is_boolean(kind):
        return pa.array(values > np.median(values), kind, mask=absent)
    if pa.types.is_integer(kind):
        values = np.rint(np.clip(values, -(2**31), 2**31 - 1))
    if pa.types.is_decimal(kind):
        return pc.round(pa.array(values, mask=absent), 2).cast(kind)
    return pa.array(values, mask=absent).cast(kind, safe=False)
