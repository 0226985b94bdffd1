"""`hyades explain --rules` against DuckDB: its SQL must give every row the segment that the report counts.

    python tree.py --hyades target/release/hyades [--data FOLDER] [--rows 1000000]

Fits data/customers.parquet, also with strata and rules, a synthetic bank of --rows rows, values of all types, also with
strata of times, and the tables of FOLDER.
DuckDB runs the SQL of the rules on the input and counts rows by label and by rule; every count, fidelity, precision and
recall must equal those of the report. Prints fidelity and the price in squared distances; exits with 1 if a figure differs,
or if fewer than 90 % of the rows of data/customers.parquet are told.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent.parent / "data" / "customers.parquet"
LEAST = 0.9
RULES = """[[rule]]
name = "large balances"
when = "savings_balance > 100000"

[strata]
within = "true_segment"
k = 3
"""


TIMES = ("--include", "opened,seen,noted,batch,batch_zoned")
RECIPE = """[columns.region]
encode = "one-hot"

[columns.'co"de']
encode = "one-hot"

[columns.score]
sentinels = [-1, 999]

# 1900-01-01, and noon of the day before
[columns.noted]
sentinels = [-25567, -25567.5]
"""


def mixed(path, rows=50_000):
    """Dates, times with a zone and without, decimals, booleans, texts, codes, NaN and sentinels."""
    noise = np.random.default_rng(7)
    group = noise.integers(0, 5, rows)
    days = 15_000 + 400 * group + noise.integers(0, 900, rows)
    rate = (group * 1.5 + noise.normal(size=rows)).astype(np.float32)
    rate[noise.random(rows) < 0.05] = np.nan
    gap = noise.random(rows) < 0.04
    regions = np.array(["north", "o'hara", 'so"uth', "南", "a\\b"])
    moments = (days * 86_400_000_000 + noise.integers(0, 86_400_000_000, rows)).astype("int64")
    score = np.where(noise.random(rows) < 0.1, noise.choice([-1, 999], rows), 20 * group + noise.integers(0, 60, rows))
    noted = np.where(noise.random(rows) < 0.1, -25_567, days) * 86_400_000_000 + noise.integers(0, 86_400_000_000, rows)
    # Three times, with fractions of a second.
    batch = (1_767_225_600_000_000 + (group // 2) * 86_400_000_000 + 45_296_000_000 + (group // 2) * 250_000).astype("int64")
    cents = (1000 * group**2 + noise.integers(0, 5000, rows)).astype("int64")
    pq.write_table(
        pa.table(
            {
                "id": pa.array(np.arange(rows)),
                "opened": pa.array(days.astype("int32"), mask=gap).cast(pa.date32()),
                "seen": pa.array(moments).cast(pa.timestamp("us", tz="Asia/Shanghai")),
                "noted": pa.array(noted.astype("int64")).cast(pa.timestamp("us")),
                "batch": pa.array(batch, mask=gap).cast(pa.timestamp("us")),
                "batch_zoned": pa.array(batch, mask=gap).cast(pa.timestamp("us", tz="Asia/Shanghai")),
                "rate": pa.array(rate, from_pandas=False),
                "score": pa.array(score.astype("int16")),
                "paid": pc.divide(pa.array(cents).cast(pa.decimal128(19, 0)), pa.scalar(Decimal(100))).cast(pa.decimal128(20, 2), safe=False),
                "is_active": pa.array(noise.random(rows) < group / 5, mask=gap),
                "region": pa.array(np.where(noise.random(rows) < 0.8, regions[group], "other"), mask=gap),
                'co"de': pa.array((group // 2 * 10 + (noise.random(rows) < 0.2)).astype("int32")),
            }
        ),
        path,
        row_group_size=16_384,
    )


def run(*arguments):
    subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.DEVNULL)


def compared(hyades, table, folder, k, more=(), leaves=()):
    """Fits a table and explains it by rules; returns the report, seconds, and the figures that differ."""
    out, sql, report = folder / "out", folder / "rules.sql", folder / "rules.json"
    run(hyades, "fit", table, "--k", k, "--out", out, "--no-profile", "-q", *more)
    start = time.monotonic()
    run(hyades, "explain", out, table, "--rules", "--sql", sql, "--json", report, "-q", *leaves)
    seconds = time.monotonic() - start
    report = json.loads(report.read_text())
    connection = duckdb.connect()
    labels = f"SELECT row_number() OVER () r, segment FROM read_parquet('{out}/segments/*.parquet')"
    told = f"SELECT row_number() OVER () r, ({sql.read_text()}) told FROM read_parquet('{table}')"
    found = connection.execute(
        f"SELECT segment, told, count(*) FROM ({labels}) JOIN ({told}) USING (r) GROUP BY ALL"
    ).fetchall()
    found = {(segment, told): n for segment, told, n in found}
    expected = {}
    for part in report["parts"]:
        first = part["segments"][0]["segment"]
        for segment in part["segments"]:
            for to, n in enumerate(segment["told_as"]):
                expected[segment["segment"], first + to] = n
    rules = report["parts"][0]["segments"][0]["segment"] if len(report["parts"]) > 1 else 0
    counted = {pair: n for pair, n in found.items() if pair[0] is None or pair[0] >= rules}
    faults = [
        f"{pair}: {counted.get(pair, 0)}, the report says {expected.get(pair, 0)}"
        for pair in sorted(expected.keys() | counted.keys(), key=str)
        if counted.get(pair, 0) != expected.get(pair, 0)
    ]
    taken = {pair: n for pair, n in found.items() if pair not in counted}
    faults += [f"a row of rule {a} is told as {b}" for a, b in taken if a != b]
    right, rows = sum(n for (a, b), n in counted.items() if a == b), sum(counted.values())
    if report["fidelity"] != right / rows:
        faults.append(f"fidelity {report['fidelity']}, expected {right / rows}")
    for segment in (segment for part in report["parts"] for segment in part["segments"]):
        own = segment["segment"]
        told = sum(n for (_, b), n in counted.items() if b == own)
        of = sum(n for (a, _), n in counted.items() if a == own)
        both = counted.get((own, own), 0)
        for name, total in (("precision", told), ("recall", of)):
            if segment[name] != (both / total if total else None):
                faults.append(f"{name} of segment {own}: {segment[name]}, expected {both}/{total}")
    return report, seconds, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hyades", default="hyades")
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        bank, rules = folder / "bank.parquet", folder / "rules.toml"
        run(options.hyades, "synth", "--rows", options.rows, "--out", bank, "--nulls", "0.05")
        rules.write_text(RULES)
        jobs = [("customers", DEMO, 6, ()), ("customers", DEMO, 8, ()), ("bank", bank, 8, ())]
        jobs.append(("customers in strata", DEMO, 3, ("--rules", rules)))
        recipe = folder / "recipe.toml"
        recipe.write_text(RECIPE)
        mixed(folder / "mixed.parquet")
        for seed in range(3):
            name, many = f"values of all types, seed {seed}", ("--leaves", 40 * (seed + 1))
            jobs.append((name, folder / "mixed.parquet", 6, ("--recipe", recipe, *TIMES, "--seed", seed), many))
        for within in ("batch", "batch_zoned"):
            of_times = folder / f"{within}.toml"
            of_times.write_text(f'[strata]\nwithin = "{within}"\nk = 3\n')
            more = ("--recipe", recipe, *TIMES, "--rules", of_times)
            jobs.append((f"values of all types in strata of {within}", folder / "mixed.parquet", 3, more))
        if options.data:
            jobs += [(path.stem, path, 8, ()) for path in sorted(Path(options.data).glob("*.parquet")) if "transactions" not in path.stem]
        wrong = 0
        for number, (name, table, k, more, *leaves) in enumerate(jobs):
            place = folder / str(number)
            place.mkdir()
            report, seconds, faults = compared(options.hyades, table, place, k, more, *leaves)
            prices = ", ".join(f"{part['price']:.3f}" for part in report["parts"])
            leaves = sum(part["leaves"] for part in report["parts"])
            print(f"{name}: k {k}, {leaves} leaves, fidelity {report['fidelity']:.4f}, price {prices}, {seconds:.1f} s")
            if table == DEMO and not more and report["fidelity"] < LEAST:
                faults.append(f"fidelity below {LEAST}")
            for fault in faults[:10]:
                print(f"  {fault}")
            wrong += len(faults)
        print(f"{wrong} figures differ")
        sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
