#!/usr/bin/env python3
"""Fits the small bank and reads `segments/` with readers of data sets: all must see the same rows.

usage: tests/readers.py [HYADES]   (default target/release/hyades; pip install pyarrow pandas polars duckdb pyspark)

A reader that is not installed is a failure. HYADES_READERS=pyarrow,duckdb names those to try; by default all are.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = 20_000


def with_pyarrow(folder: str, hive: bool) -> tuple[int, int]:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    table = ds.dataset(folder, partitioning="hive" if hive else None).to_table()
    return table.num_rows, pc.sum(table["segment"]).as_py()


def with_pandas(folder: str, hive: bool) -> tuple[int, int]:
    import pandas as pd

    frame = pd.read_parquet(folder)
    return len(frame), int(frame["segment"].astype("int64").sum())


def with_polars(folder: str, hive: bool) -> tuple[int, int]:
    import polars as pl

    frame = pl.read_parquet(folder, hive_partitioning=hive)
    return frame.height, int(frame["segment"].sum())


def with_duckdb(folder: str, hive: bool) -> tuple[int, int]:
    import duckdb

    pattern = f"{folder}/**/*.parquet"
    return duckdb.sql(f"select count(*), sum(segment)::bigint from read_parquet('{pattern}')").fetchall()[0]


def with_pyspark(folder: str, hive: bool) -> tuple[int, int]:
    from pyspark.sql import SparkSession, functions as f

    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    row = session.read.parquet(folder).agg(f.count("*"), f.sum("segment")).first()
    return row[0], row[1]


READERS = {"pyarrow": with_pyarrow, "pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb,
           "pyspark": with_pyspark}
LAYOUTS = {"one file": [], "several files": ["--rows-per-file", "3000"],
           "by segment": ["--partition-by", "segment"],
           "with more columns": ["--column", "snapshot=2026-11-30", "--margin"]}


def main() -> int:
    hyades = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/hyades")
    wanted = os.environ.get("HYADES_READERS", ",".join(READERS)).split(",")
    lacking = [name for name in wanted if name not in READERS or importlib.util.find_spec(name) is None]
    if lacking:
        print(f"not installed: {', '.join(lacking)}; pip install {' '.join(lacking)}, or name others in HYADES_READERS")
        return 1
    wrong, sums = 0, set()
    for layout, options in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "out"
            subprocess.run([hyades, "fit", ROOT / "data/customers.parquet", "--k", "5", "-q", "--out", out, *options],
                           check=True, stdout=subprocess.DEVNULL)
            for name in wanted:
                try:
                    rows, total = READERS[name](str(out / "segments"), layout == "by segment")
                    sums.add(total)
                    fine = rows == ROWS and len(sums) == 1
                except Exception as e:  # Whatever a reader raises is the finding.
                    rows, total, fine = 0, repr(e)[:200], False
                wrong += not fine
                print(f"{layout:18} {name:8} {rows} rows, sum of segments {total}{'' if fine else '  WRONG'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
