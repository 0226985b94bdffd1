"""Compares profile.json with DuckDB, and its effects, test values and intervals with an independent port.

    hyades fit data/customers.parquet --k 6 --out /tmp/demo
    python benches/peers/figures.py data/customers.parquet /tmp/demo --id customer_id

Counts, means, deviations, quantiles and shares come from DuckDB; eta squared and test values follow `catdes` of
FactoMineR (R/catdes.r) with scipy; intervals of shares are those of statsmodels. Ends with exit code 1 if a mean
differs by more than 1e-12, a quantile by more than the profile states, or another figure by more than 1e-9 (relative).
Test values beyond 37 are beyond scipy's tails and are compared by their sign.
"""

import argparse
import json
import math
import sys

import duckdb
import numpy as np
from scipy.stats import hypergeom, norm
from statsmodels.stats.proportion import proportion_confint

QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
CLOSE = 1e-9


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Comparison:
    """Figures that were compared, and those that differ."""

    def __init__(self):
        self.compared, self.faults = 0, []

    def same(self, what, found, expected, limit=CLOSE):
        self.compared += 1
        if found is None or expected is None:
            fits = found is None and (expected is None or not math.isfinite(expected))
        else:
            fits = abs(found - expected) <= limit * max(abs(expected), 1e-6)
        if not fits:
            self.faults.append(f"{what} is {found!r}, expected {expected!r}")


def numbers(connection, rows, column):
    """By segment, None for all rows: the figures of a column of numbers."""
    name = quoted(column["name"])
    value = f"epoch({name}) / 86400.0" if column["kind"] == "date" else f"cast({name} as double)"
    value = f"case when isfinite({value}) then {value} end"
    codes = column.get("missing_codes", [])
    if codes:
        value = f"case when {value} not in ({', '.join(map(repr, codes))}) then {value} end"
    found = connection.execute(
        f"""select s, avg(v), stddev_pop(v), quantile_cont(v, {list(QUANTILES.values())}), count(v), count(*),
        count(*) filter (v <> 0), list(v) filter (v is not null) from (select {value} v, s from {rows}) group by rollup(s)"""
    ).fetchall()
    return {segment: figures for segment, *figures in found}


def median_interval(values):
    n = len(values)
    if n < 30:
        return None
    side = norm.ppf(0.975) / (2 * math.sqrt(n))
    return np.quantile(np.array(values, dtype=float), [0.5 - side, 0.5 + side])


def cohens_h(p, q):
    return 2 * math.asin(math.sqrt(p)) - 2 * math.asin(math.sqrt(q))


def of_numbers(comparison, column, place, profile, rows):
    all_mean, all_deviation, all_quantiles, all_known, all_rows, all_not_zero, _ = rows[None]
    exact = profile["quantiles"] == "exact"
    allowed = 1e-12 if exact else profile["quantiles"]["relative_error"]
    between = 0.0
    for segment, (mean, _, _, known, *_) in rows.items():
        if segment is not None and known:
            between += known * (mean - all_mean) ** 2
    if all_known and all_deviation > 0:
        comparison.same(f"{column['name']}: eta_squared", column.get("eta_squared"), between / all_known / all_deviation**2, 1e-7)
    for group in profile["segments"] + [profile["all"]]:
        if not group["customers"] or group["withheld"]:
            continue
        mean, deviation, quantiles, known, count, not_zero, values = rows[group["segment"]]
        found, what = group["columns"][place], f"{column['name']}, segment {group['segment']}"
        comparison.same(f"{what}: missing_share", found["missing_share"], 1 - known / count, 1e-12)
        if not known:
            continue
        comparison.same(f"{what}: mean", found["mean"], mean, 1e-12)
        comparison.same(f"{what}: deviation", found["deviation"], deviation, 1e-7)
        comparison.same(f"{what}: non_zero_share", found["non_zero_share"], not_zero / known, 1e-12)
        for name, value in zip(QUANTILES, quantiles):
            comparison.same(f"{what}: {name}", found[name], value, allowed)
        ends, expected = found.get("median_interval"), median_interval(values)
        for end in range(2):
            comparison.same(f"{what}: median", ends and ends[end], None if expected is None else expected[end], max(allowed, 1e-9))
        if group is not profile["all"]:
            compared = found["compared"]
            varies = all_deviation > 0
            d = (mean - all_mean) / all_deviation if varies else None
            v = d / math.sqrt((all_known - known) / (all_known - 1) / known) if varies and known < all_known else None
            comparison.same(f"{what}: v", compared["v"], v, 1e-7)
            boolean = column["kind"] == "boolean"
            comparison.same(f"{what}: effect", compared["effect"], cohens_h(mean, all_mean) if boolean else d, 1e-7)
            index(comparison, column, what, compared, rows[group["segment"]], rows[None], ends)


def index(comparison, column, what, compared, here, everyone, ends):
    mean, deviation, quantiles, known, *_ = here
    all_mean, _, all_quantiles, all_known, *_ = everyone
    is_told = column["kind"] != "date" and known >= 30 and known >= 0.01 * all_known and all_quantiles[0] >= 0
    value, of_all = (quantiles[2], all_quantiles[2]) if column["skewed"] else (mean, all_mean)
    if not is_told or of_all <= 0:
        return comparison.same(f"{what}: index", compared["index"], None)
    comparison.same(f"{what}: index", compared["index"], 100 * value / of_all, 1e-3 if column["skewed"] else CLOSE)
    if column["skewed"]:
        interval = ends
    elif column["kind"] == "boolean":
        interval = proportion_confint(round(mean * known), known, method="wilson")
    else:
        side = norm.ppf(0.975) * deviation / math.sqrt(known - 1)
        interval = (mean - side, mean + side)
    for end in range(2):
        comparison.same(f"{what}: index", compared["index_interval"][end], 100 * interval[end] / of_all, 1e-3 if column["skewed"] else 1e-7)


def catdes(count, drawn, marked, everyone):
    """The test value of a category as in catdes: the two-sided mid-p of the hypergeometric distribution."""
    found = hypergeom(everyone, marked, drawn)
    p = min(2 * found.cdf(count - 1) + found.pmf(count), 2 * found.sf(count) + found.pmf(count))
    return (1 if count / drawn > marked / everyone else -1) * norm.isf(p / 2)


def of_categories(comparison, connection, column, place, profile, rows):
    name = quoted(column["name"])
    found = connection.execute(f"select s, cast({name} as varchar), count(*) from {rows} group by s, 2").fetchall()
    counts = {}
    for segment, text, n in found:
        counts.setdefault(segment, {})[text] = n
        counts.setdefault(None, {})[text] = counts.get(None, {}).get(text, 0) + n
    everyone = counts[None]
    known = sum(n for text, n in everyone.items() if text is not None)
    for group in profile["segments"] + [profile["all"]]:
        if not group["customers"] or group["withheld"]:
            continue
        here, figures = counts[group["segment"]], group["columns"][place]
        what = f"{column['name']}, segment {group['segment']}"
        drawn = sum(n for text, n in here.items() if text is not None)
        comparison.same(f"{what}: missing", figures["missing"], here.get(None, 0))
        for at, text in enumerate(column["categories"]):
            count = here.get(text, 0)
            comparison.same(f"{what}: {text}", figures["counts"][at], count)
            if group is profile["all"] or not drawn:
                continue
            compared = figures["compared"][at]
            share, of_all = count / drawn, everyone[text] / known
            comparison.same(f"{what}: share of {text}", compared["share"], share)
            comparison.same(f"{what}: lift of {text}", compared["lift"], share / of_all)
            comparison.same(f"{what}: effect of {text}", compared["effect"], cohens_h(share, of_all))
            if drawn < known and everyone[text] < known:
                v = catdes(count, drawn, everyone[text], known)
                if math.isfinite(v) and abs(v) < 37:
                    comparison.same(f"{what}: v of {text}", compared["v"], v, 1e-6)
                else:
                    comparison.same(f"{what}: sign of v of {text}", math.copysign(1, compared["v"]), math.copysign(1, share - of_all))


def outcomes(comparison, connection, profile, rows):
    for at, whole in enumerate(profile["all"].get("outcomes", [])):
        name = quoted(whole["column"])
        found = connection.execute(
            f"""select s, count(*) filter (cast(cast({name} as double) as varchar) = cast(cast('{whole['value']}' as double) as varchar)),
            count({name}) from {rows} group by rollup(s)"""
        ).fetchall()
        counts = {segment: (cases, known) for segment, cases, known in found}
        everyone = counts[None][0] / counts[None][1]
        for group in profile["segments"] + [profile["all"]]:
            if not group["customers"] or group["withheld"]:
                continue
            cases, known = counts[group["segment"]]
            rate, what = group["outcomes"][at], f"{whole['column']}, segment {group['segment']}"
            comparison.same(f"{what}: cases", rate["cases"], cases)
            comparison.same(f"{what}: rate", rate["rate"], cases / known)
            comparison.same(f"{what}: lift", rate["lift"], cases / known / everyone)
            for end, expected in zip(rate["interval"], proportion_confint(cases, known, method="wilson")):
                comparison.same(f"{what}: interval", end, expected)


def products(comparison, connection, profile, rows):
    names = profile.get("products", [])
    held = [f"coalesce({quoted(name)} <> 0, false)" for name in names]
    for group in profile["segments"] + [profile["all"]]:
        if not names or not group["customers"] or group["withheld"]:
            continue
        where = "" if group is profile["all"] else f"where s is not distinct from {group['segment']}"
        for name, is_held, figures in zip(names, held, group["products"]):
            n, everyone = connection.execute(f"select count(*) filter ({is_held}), count(*) from {rows} {where}").fetchone()
            comparison.same(f"{name}, segment {group['segment']}: holders", figures["holders"], n)
            for end, expected in zip(figures["interval"], proportion_confint(n, everyone, method="wilson")):
                comparison.same(f"{name}, segment {group['segment']}: interval", end, expected)
        for pair in group.get("pairs", []):
            a, b = (held[names.index(name)] for name in pair["products"])
            both, first, second, everyone = connection.execute(
                f"select count(*) filter ({a} and {b}), count(*) filter ({a}), count(*) filter ({b}), count(*) from {rows} {where}"
            ).fetchone()
            comparison.same(f"{pair['products']}: holders", pair["holders"], both)
            comparison.same(f"{pair['products']}: lift", pair["lift"], both * everyone / first / second)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", help="a file or pattern")
    parser.add_argument("out", help="the folder of the fit")
    parser.add_argument("--id", required=True)
    arguments = parser.parse_args()
    with open(f"{arguments.out}/profile.json", encoding="utf-8") as file:
        profile = json.load(file)
    connection, comparison = duckdb.connect(), Comparison()
    key = quoted(arguments.id)
    connection.execute(
        f"create view labelled as select t.*, l.segment as s from '{arguments.inputs}' t "
        f"join '{arguments.out}/segments/*.parquet' l on t.{key} = l.{key}"
    )
    for place, column in enumerate(profile["columns"]):
        if column["kind"] == "category":
            of_categories(comparison, connection, column, place, profile, "labelled")
        else:
            of_numbers(comparison, column, place, profile, numbers(connection, "labelled", column))
    outcomes(comparison, connection, profile, "labelled")
    products(comparison, connection, profile, "labelled")
    print("\n".join(comparison.faults + [f"{comparison.compared} figures compared, {len(comparison.faults)} differ"]))
    sys.exit(1 if comparison.faults else 0)


if __name__ == "__main__":
    main()
