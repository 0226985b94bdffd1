"""`hyades tags` against DuckDB: every row, figure, tag, stage, count and overlap.

    python tags.py --hyades target/release/hyades --data FOLDER

FOLDER holds online_retail_transactions_542k.parquet, whose customers (`features rfm`) get the dictionary of `tags init`
and, with `--trend 90`, its declining stage; credit_default_30k.parquet and give_me_credit_150k.parquet get dictionaries
of their own. DuckDB evaluates the same conditions, QUANTILE as quantile_cont and AVG as avg. Everything must be equal.
Only AVG, which DuckDB adds up in floating point, may differ by 1e-12 of itself. Exits with 1 if anything differs.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

DAY = "2012-01-01"
CREDIT = """
[[tag]]
code = "large_limit"
when = "LIMIT_BAL >= QUANTILE(LIMIT_BAL, 0.9)"
[[tag]]
code = "pays_little"
when = "PAY_AMT1 < 0.05 * BILL_AMT1 AND BILL_AMT1 > AVG(BILL_AMT1)"
[[tag]]
code = "late"
when = "PAY_1 >= 2 OR PAY_2 >= 2 OR PAY_3 >= 2"
[[tag]]
code = "middle"
when = "BILL_AMT2 BETWEEN QUANTILE(BILL_AMT2, 0.25) AND QUANTILE(BILL_AMT2, 0.75)"
[[tag]]
code = "quiet"
when = "NOT (BILL_AMT1 > 0) AND PAY_AMT1 IN (0, 1)"
[[tag]]
code = "defaulted"
when = '"default payment next month" = 1'
[[stage]]
code = "late"
when = "PAY_1 >= 2"
[[stage]]
code = "shrinking"
when = "BILL_AMT1 < 0.7 * BILL_AMT6"
[[stage]]
code = "growing"
when = "BILL_AMT1 > BILL_AMT6"
"""
INCOME = """
[[tag]]
code = "well_paid"
when = "MonthlyIncome >= QUANTILE(MonthlyIncome, 0.95)"
[[tag]]
code = "indebted"
when = "DebtRatio > AVG(DebtRatio) AND MonthlyIncome IS NOT NULL"
[[tag]]
code = "family_or_income"
when = "NumberOfDependents > 2 OR MonthlyIncome > 5000"
[[tag]]
code = "used_up"
when = "RevolvingUtilizationOfUnsecuredLines >= QUANTILE(RevolvingUtilizationOfUnsecuredLines, 0.99)"
[[stage]]
code = "without_income"
when = "MonthlyIncome IS NULL"
[[stage]]
code = "young"
when = "age < 30"
"""


class Comparison:
    def __init__(self):
        self.figures, self.faults = 0, []

    def equal(self, what, found, expected):
        self.near(what, found, expected, 0)

    def near(self, what, found, expected, within):
        self.figures += 1
        if found != expected and (None in (found, expected) or abs(found - expected) > within * abs(expected)):
            self.faults.append(f"{what}: {found}, expected {expected}")


def in_duckdb(condition, table):
    """The condition with figures as subqueries."""
    quantile = rf"(SELECT quantile_cont(\1, \2) FROM '{table}')"
    condition = re.sub(r"QUANTILE\((\w+), ([0-9.]+)\)", quantile, condition)
    condition = re.sub(r"AVG\((\w+)\)", rf"(SELECT avg(\1) FROM '{table}')", condition)
    return f"({condition})".replace("DAY", f"DATE '{DAY}'")


def figure(text, table):
    return duckdb.sql(f"SELECT {in_duckdb(text, table)}").fetchall()[0][0]


def compare(hyades, folder, table, id_column, dictionary):
    """The comparison of one table with one dictionary."""
    of = Comparison()
    toml, out, report = (folder / name for name in ("tags.toml", "tagged.parquet", "tags.json"))
    toml.write_text(dictionary)
    arguments = ["tags", toml, table, "--id", id_column, "--day", DAY, "--small-cells", "0", "--quiet"]
    subprocess.run([hyades, *arguments, "--out", out, "--json", report], check=True, stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    for threshold in found["thresholds"]:
        within = 1e-12 if threshold["figure"].startswith("AVG") else 0
        of.near(threshold["figure"], threshold["value"], figure(threshold["figure"], table), within)
    tags = {tag["code"]: in_duckdb(tag["when"], table) for tag in found["tags"]}
    cases = [f"WHEN {in_duckdb(stage['when'], table)} THEN '{stage['code']}'" for stage in found["stages"]]
    columns = [f'{condition} AS "{code}"' for code, condition in tags.items()]
    case = f"CASE {' '.join(cases)} END AS stage"
    values = ", ".join([f'"{id_column}" AS id', case, *columns])
    duckdb.sql(f"CREATE OR REPLACE TABLE theirs AS SELECT {values} FROM '{table}'")
    duckdb.sql(f'CREATE OR REPLACE VIEW ours AS SELECT "{id_column}" AS id, * EXCLUDE "{id_column}" FROM \'{out}\'')
    for name in ["stage", *tags]:
        equal = f'ours."{name}" IS NOT DISTINCT FROM theirs."{name}"'
        rows = duckdb.sql(f"SELECT count(*) FROM ours JOIN theirs USING (id) WHERE {equal}").fetchall()[0][0]
        of.equal(f"rows of {name}", rows, found["customers"])
    count = lambda condition: duckdb.sql(f"SELECT count(*) FROM theirs WHERE {condition}").fetchall()[0][0]
    of.equal("customers", found["customers"], count("true"))
    for tag in found["tags"]:
        code = tag["code"]
        of.equal(f"customers of {code}", tag["customers"], count(f'"{code}"'))
        of.equal(f"share of {code}", tag["share"], tag["customers"] / found["customers"])
        of.equal(f"unknown of {code}", tag["unknown"], count(f'"{code}" IS NULL'))
    for stage in found["stages"]:
        of.equal(f"customers of {stage['code']}", stage["customers"], count(f"stage = '{stage['code']}'"))
    of.equal("customers of no stage", found["without_stage"], count("stage IS NULL"))
    both = {(pair["tag"], pair["other"]): pair["customers"] for pair in found["overlaps"]}
    for a, b in itertools.combinations(tags, 2):
        of.equal(f"both {a} and {b}", both.get((a, b), 0), count(f'"{a}" AND "{b}"'))
    subprocess.run([hyades, *arguments, "--format", "long", "--out", out], check=True, stdout=subprocess.DEVNULL)
    duckdb.sql(f'CREATE OR REPLACE VIEW ours AS SELECT "{id_column}" AS id, * EXCLUDE "{id_column}" FROM \'{out}\'')
    for code in tags:
        joined = f"ours JOIN theirs USING (id) WHERE tag = '{code}' AND \"{code}\""
        rows = duckdb.sql(f"SELECT count(*) FROM {joined}").fetchall()[0][0]
        of.equal(f"rows of {code} in the long form", rows, count(f'"{code}"'))
    rows = duckdb.sql("SELECT count(*), count(DISTINCT since), max(since)::VARCHAR FROM ours").fetchall()[0]
    of.equal("the long form", rows, (sum(tag["customers"] for tag in found["tags"]), 1, DAY))
    return of


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", default="target/release/hyades")
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    wrong = False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rfm = folder / "rfm.parquet"
        retail = ["features", "rfm", given.data / "online_retail_transactions_542k.parquet", "--customer", "CustomerID",
                  "--time", "InvoiceDate", "--amount", "Quantity*UnitPrice", "--transaction", "InvoiceNo"]
        arguments = [*retail, "--trend", "90", "--out", rfm, "--quiet"]
        subprocess.run([given.hyades, *arguments], check=True, stdout=subprocess.DEVNULL)
        defaults = subprocess.run([given.hyades, "tags", "init"], check=True, capture_output=True, text=True).stdout
        # The stage that is commented out.
        head, tail = defaults.split("# [[stage]]\n", 1)
        lines = tail.split("\n\n", 1)
        declining = "[[stage]]\n" + "\n".join(line.removeprefix("# ") for line in lines[0].splitlines())
        cases = {
            "retail RFM": (rfm, "CustomerID", head + declining + "\n\n" + lines[1]),
            "credit_default": (given.data / "credit_default_30k.parquet", "ID", CREDIT),
            "give_me_credit": (given.data / "give_me_credit_150k.parquet", "id", INCOME),
        }
        for name, (table, id_column, dictionary) in cases.items():
            of = compare(given.hyades, folder, table, id_column, dictionary)
            print(f"{name}: {len(of.faults)} of {of.figures} figures differ")
            for fault in of.faults:
                print(f"  {fault}")
            wrong |= bool(of.faults)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
