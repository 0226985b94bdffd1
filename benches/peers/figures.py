"""Compares profile.json with DuckDB: means, quantiles, shares of missing and of non-zero values, by segment and in all.

    hyades fit data/customers.parquet --k 6 --out /tmp/demo
    python benches/peers/figures.py data/customers.parquet /tmp/demo --id customer_id

Ends with exit code 1 if a mean differs by more than 1e-12, or a quantile by more than the profile states (relative).
"""

import argparse
import json
import sys

import duckdb

QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def expected(connection, inputs, labels, key, column):
    """By segment, None for all rows: mean, quantiles, known values, rows, values that are not 0."""
    name = '"' + column["name"].replace('"', '""') + '"'
    value = f"epoch({name}) / 86400.0" if column["kind"] == "date" else f"cast({name} as double)"
    rows = connection.execute(
        f"""select l.segment, avg(v), quantile_cont(v, {list(QUANTILES.values())}), count(v), count(*),
        count(*) filter (v <> 0)
        from (select {key} k, {value} v from '{inputs}') t join '{labels}' l on t.k = l.{key}
        group by rollup(l.segment)"""
    ).fetchall()
    return {segment: figures for segment, *figures in rows}


def differences(group, found, figures, allowed):
    """The figures of one column in one group that are not the expected ones."""
    mean, quantiles, known, rows, not_zero = figures
    pairs = [("missing_share", 1 - known / rows, 1e-12)]
    if known:
        pairs += [("mean", mean, 1e-12), ("non_zero_share", not_zero / known, 1e-12)]
        pairs += [(name, value, allowed) for name, value in zip(QUANTILES, quantiles)]
    for name, value, limit in pairs:
        if abs(found[name] - value) > limit * max(abs(value), 1e-300) and abs(found[name] - value) > 1e-15:
            yield f"{group}: {name} is {found[name]!r}, DuckDB says {value!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", help="a file or pattern")
    parser.add_argument("out", help="the folder of the fit")
    parser.add_argument("--id", required=True)
    arguments = parser.parse_args()
    with open(f"{arguments.out}/profile.json", encoding="utf-8") as file:
        profile = json.load(file)
    exact = profile["quantiles"] == "exact"
    allowed = 1e-12 if exact else profile["quantiles"]["relative_error"]
    connection, faults, compared = duckdb.connect(), [], 0
    for place, column in enumerate(profile["columns"]):
        if column["kind"] == "category":
            continue
        rows = expected(connection, arguments.inputs, f"{arguments.out}/segments/*.parquet", arguments.id, column)
        for group in profile["segments"] + [profile["all"]]:
            if group["customers"] and not group["withheld"]:
                what = f"{column['name']}, segment {group['segment']}"
                faults += differences(what, group["columns"][place], rows[group["segment"]], allowed)
                compared += 1
    print("\n".join(faults + [f"{compared} columns of segments compared, {len(faults)} figures differ"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
