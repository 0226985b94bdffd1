"""Customer features of transactions: Hyades beside DuckDB's SQL for the same features, value by value and in time.

    rfm.py --hyades target/release/hyades --folder /tmp/rfm --rows 5M
    rfm.py --hyades target/release/hyades --folder /tmp/rfm --retail online_retail.parquet

Counts, times and nulls must be equal. Sums of floating point may differ by DuckDB's own rounding, which depends on its
threads: each of n additions errs by half an ulp at most, so by TOLERANCE of the sum of the amounts' sizes. Hyades rounds
once. Deviations of gaps are compared within TOLERANCE of the mean gap, for the same reason.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import duckdb
import numpy as np

import process

TOLERANCE = 1e-11
NUMBERS = ("recency_days", "monetary_sum", "monetary_mean", "monetary_max", "returns_share", "tenure_days",
           "gap_mean_days", "gap_deviation_days", "trend_recent_sum", "trend_before_sum", "trend_change_sum")
COUNTS = ("frequency", "returns_count", "trend_recent_count", "trend_before_count", "trend_change_count")
TREND = 90


def count(text: str) -> int:
    factor = {"k": 10**3, "M": 10**6}.get(text[-1])
    return int(text[:-1]) * factor if factor else int(text)


def make(path: Path, rows: int, seed: int = 1) -> None:
    """Transactions in the order of time, as a bank's journal has them: a customer for every 50, some far busier than
    others, amounts in cents, 3 % returns."""
    customers = max(rows // 50, 1)
    con = duckdb.connect()
    con.execute(f"SELECT setseed({seed / 1000})")
    con.execute(f"""
        COPY (SELECT 1000003 + 7 * CAST(floor({customers} * pow(random(), 1.5)) AS BIGINT) AS customer,
                     TIMESTAMP '2024-01-01' + to_microseconds(CAST(i * (63072e9 / {rows}) AS BIGINT)) AS booked,
                     round((CASE WHEN random() < 0.03 THEN -1 ELSE 1 END) * exp(2.5 + 2 * (random() + random() - 1)), 2)
                         AS amount,
                     'C' || CAST(floor(40 * random() * random()) AS INT) AS category
              FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, COMPRESSION snappy)""")


class Case:
    """A file, and what its columns are called."""

    def __init__(self, path: Path, customer: str, at: str, amount: str, transaction: str | None = None):
        self.path, self.customer, self.at, self.amount, self.transaction = path, customer, at, amount, transaction

    def arguments(self, out: Path) -> list[str]:
        named = ["--transaction", self.transaction] if self.transaction else []
        return ["features", "rfm", str(self.path), "--customer", self.customer, "--time", self.at, "--amount",
                self.amount, *named, "--trend", str(TREND), "--out", str(out), "--quiet"]

    def sql(self, out: Path) -> str:
        number = "count(DISTINCT name)" if self.transaction else "count(*)"
        purchase = "sum(amount)" if self.transaction else "amount"
        group = "GROUP BY customer, name" if self.transaction else ""
        windows = {"recent": f"moment >= ref - INTERVAL {TREND} DAY",
                   "before": f"moment >= ref - INTERVAL {2 * TREND} DAY AND moment < ref - INTERVAL {TREND} DAY"}
        trend = ", ".join(f"{number} FILTER (amount >= 0 AND {w}) AS trend_{n}_count, "
                          f"coalesce(sum(amount) FILTER ({w}), 0.0) AS trend_{n}_sum" for n, w in windows.items())
        return f"""
            COPY (
                WITH used AS (
                    SELECT {self.customer} AS customer, {self.at} AS moment, CAST({self.amount} AS DOUBLE) AS amount,
                           {self.transaction or "NULL"} AS name
                    FROM '{self.path}' WHERE {self.customer} IS NOT NULL),
                newest AS (
                    SELECT CAST(CAST(max({self.at}) AS DATE) + 1 AS TIMESTAMP) AS ref FROM '{self.path}'),
                whole AS (
                    SELECT customer, max(ref) AS ref, sum(amount) AS monetary_sum, sum(abs(amount)) AS size,
                           {number} FILTER (amount >= 0) AS frequency, {number} FILTER (amount < 0) AS returns_count,
                           sum(amount) FILTER (amount >= 0) AS bought,
                           max(moment) FILTER (amount >= 0) AS last_at, min(moment) FILTER (amount >= 0) AS first_at, {trend}
                    FROM used, newest GROUP BY customer),
                largest AS (
                    SELECT customer, max(purchase) AS monetary_max FROM (
                        SELECT customer, {purchase} AS purchase FROM used WHERE amount >= 0 {group}) GROUP BY customer),
                times AS (SELECT DISTINCT customer, moment FROM used WHERE amount >= 0),
                gaps AS (
                    SELECT customer, epoch_us(moment)
                           - epoch_us(lag(moment) OVER (PARTITION BY customer ORDER BY moment)) AS gap
                    FROM times),
                spread AS (
                    SELECT customer, avg(gap) / 864e8 AS gap_mean_days,
                           CASE WHEN count(gap) > 1 THEN stddev_pop(gap) / 864e8 END AS gap_deviation_days
                    FROM gaps GROUP BY customer)
                SELECT customer, (epoch_us(ref) - epoch_us(last_at)) / 864e8 AS recency_days, frequency, monetary_sum,
                       bought / nullif(frequency, 0) AS monetary_mean, monetary_max, returns_count,
                       returns_count / (frequency + returns_count) AS returns_share,
                       (epoch_us(ref) - epoch_us(first_at)) / 864e8 AS tenure_days, gap_mean_days, gap_deviation_days,
                       trend_recent_count, trend_before_count,
                       trend_recent_count - trend_before_count AS trend_change_count,
                       trend_recent_sum, trend_before_sum, trend_recent_sum - trend_before_sum AS trend_change_sum, size
                FROM whole LEFT JOIN largest USING (customer) LEFT JOIN spread USING (customer) ORDER BY customer
            ) TO '{out}' (FORMAT parquet)"""


def read(path: Path) -> dict[str, np.ndarray]:
    found = duckdb.sql(f"SELECT * FROM '{path}'").fetchnumpy()
    values = {}
    for name, column in found.items():
        numbers = np.ma.filled(np.ma.asarray(column).astype(float), np.nan) if name in NUMBERS else np.asarray(column)
        values[name] = numbers
    return values


def compare(ours: Path, theirs: Path, customer: str) -> dict[str, float]:
    """The largest difference of each column, relative to what it may be compared with; raises if one is too large."""
    a, b = read(ours), read(theirs)
    faults = [] if np.array_equal(a[customer], b["customer"]) else ["the customers"]
    worst = {}
    for name in COUNTS:
        if not faults and not np.array_equal(a[name], b[name]):
            faults.append(f"{name}: {(a[name] != b[name]).sum()} customers")
    for name in NUMBERS if not faults else ():
        x, y = a[name], b[name]
        if not np.array_equal(np.isnan(x), np.isnan(y)):
            faults.append(f"{name}: {(np.isnan(x) != np.isnan(y)).sum()} nulls")
            continue
        scale = b["size"] if name.startswith(("monetary", "trend")) else np.abs(y)
        scale = np.fmax(scale, b["gap_mean_days"]) if name == "gap_deviation_days" else scale
        difference = np.abs(x - y) / np.where(scale > 0, scale, 1)
        worst[name] = float(np.nanmax(difference)) if len(difference) else 0.0
        if worst[name] > TOLERANCE:
            faults.append(f"{name}: {worst[name]:.1e}")
    if faults:
        raise SystemExit("they do not agree: " + "; ".join(faults))
    return worst


def duck(case: Case, out: Path) -> float:
    """Seconds of DuckDB from Parquet to Parquet, in this process, on all cores; its start is not counted."""
    con = duckdb.connect()
    start = time.perf_counter()
    con.execute(case.sql(out))
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--hyades", required=True, help="the program")
    arguments.add_argument("--folder", type=Path, required=True, help="for made transactions and outputs")
    arguments.add_argument("--rows", help="make so many transactions, such as 5M, and use them")
    arguments.add_argument("--retail", type=Path, help="the Online Retail data as Parquet, quantity times price")
    arguments.add_argument("--runs", type=int, default=3, help="runs of each, in turn")
    arguments.add_argument("--json", type=Path, help="also write the figures here")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    cases = {}
    if given.rows:
        path = given.folder / f"transactions-{given.rows}.parquet"
        if not path.exists():
            make(path, count(given.rows))
        cases[given.rows] = Case(path, "customer", "booked", "amount")
    if given.retail:
        cases["retail"] = Case(given.retail, "CustomerID", "InvoiceDate", "Quantity*UnitPrice", "InvoiceNo")
    results = {}
    for name, case in cases.items():
        ours, theirs = given.folder / "hyades.parquet", given.folder / "duckdb.parquet"
        pairs = []
        for _ in range(given.runs):
            run = process.timed([given.hyades, *case.arguments(ours)])
            pairs.append((run.seconds, duck(case, theirs), run.peak_mib, run.others))
        worst = compare(ours, theirs, case.customer)
        seconds, duckdbs, peaks, others = (statistics.median(values) for values in zip(*pairs))
        ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
        results[name] = {"hyades_seconds": seconds, "duckdb_seconds": duckdbs, "ratio": ratio, "peak_mib": peaks,
                         "others": others, "cores": os.cpu_count(), "differences": worst}
        print(f"{name}: Hyades {seconds:.2f} s, {peaks:.0f} MiB; DuckDB {duckdbs:.2f} s; ratio {ratio:.2f}; "
              f"largest difference {max(worst.values()):.1e}; other work {others:.0%}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
