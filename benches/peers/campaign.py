"""`hyades campaign evaluate` against statsmodels and scipy, figure by figure.

    python campaign.py --hyades target/release/hyades --data FOLDER

FOLDER holds email_campaign_64k.parquet, a randomised e-mail campaign with three arms. Customers are segmented by their
history, and the arms are compared as a whole and by segment. Counts, rates, differences, intervals, statistics, p-values,
p-values by Holm's method, the relative lift and the chi-square of the sample ratio must agree within 1e-9. Exits with 1 if
any does not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

WITHIN = 1e-9
HISTORY = "recency,history,mens,womens,newbie"
CONVERSIONS, MONEY = ["visit", "conversion"], ["spend"]
CONTROL = "No E-Mail"


class Comparison:
    def __init__(self):
        self.figures, self.worst, self.faults = 0, 0.0, []

    def near(self, what, found, expected):
        self.figures += 1
        off = abs(found - expected) / max(abs(expected), 1e-9)
        self.worst = max(self.worst, off)
        if not off <= WITHIN:
            self.faults.append(f"{what}: {found}, expected {expected}")


def interval(comparison, what, found, low, high):
    comparison.near(f"{what} low", found["low"], low)
    comparison.near(f"{what} high", found["high"], high)


def table(comparison, found, rows, metric, is_share):
    """The comparisons of one table, whose rows are those of `rows(group)`."""
    expected_p = []
    for c in found:
        a, b = (rows(c["group"], c[side]["arm"])[metric].to_numpy(float) for side in ("arm", "against"))
        what = f"{metric} {c['group']} {c['arm']['arm']} - {c['against']['arm']}"
        comparison.near(f"{what} customers", c["arm"]["customers"], len(a))
        comparison.near(f"{what} total", c["arm"]["total"], a.sum())
        comparison.near(f"{what} difference", c["difference"]["value"], a.mean() - b.mean())
        if is_share:
            z, p = proportions_ztest([a.sum(), b.sum()], [len(a), len(b)])
            low, high = confint_proportions_2indep(a.sum(), len(a), b.sum(), len(b), method="newcomb", compare="diff")
            comparison.near(f"{what} z", c["statistic"], z)
        else:
            means = CompareMeans(DescrStatsW(a), DescrStatsW(b))
            t, p, freedom = means.ttest_ind(usevar="unequal")
            low, high = means.tconfint_diff(usevar="unequal")
            comparison.near(f"{what} t", c["statistic"], t)
            comparison.near(f"{what} freedom", c["freedom"], freedom)
        comparison.near(f"{what} p", c["p"], p)
        interval(comparison, what, c["difference"], low, high)
        var = [np.var(x, ddof=0 if is_share else 1) / len(x) for x in (a, b)]
        side = stats.norm.ppf(0.975) * np.sqrt(var[0] / b.mean() ** 2 + a.mean() ** 2 * var[1] / b.mean() ** 4)
        lift = a.mean() / b.mean() - 1
        interval(comparison, f"{what} lift", c["lift"], lift - side, lift + side)
        expected_p.append(p)
    for c, p in zip(found, multipletests(expected_p, method="holm")[1]):
        comparison.near(f"{metric} {c['group']} Holm", c["holm_p"], p)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", default="target/release/hyades")
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    path = arguments.data / "email_campaign_64k.parquet"
    rows = pd.read_parquet(path)
    comparison = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        fit, out = f"{folder}/fit", f"{folder}/evaluation.json"
        hyades = [arguments.hyades, "--quiet"]
        subprocess.run([*hyades, "fit", path, "--k", "5", "--features", HISTORY, "--out", fit], check=True,
                       stdout=subprocess.DEVNULL)
        outcomes = ["--conversion", ",".join(CONVERSIONS), "--money", ",".join(MONEY)]
        grouped = ["--labels", fit, "--by", "segment", "--json", out]
        subprocess.run([*hyades, "campaign", "evaluate", path, "--arm", "arm", "--control", CONTROL, *outcomes, *grouped],
                       check=True, stdout=subprocess.DEVNULL)
        found = json.loads(Path(out).read_text())
        labels = pd.read_parquet(f"{fit}/segments")
    rows = rows.merge(labels[["customer_id", "segment"]], on="customer_id")
    cells = {(str(segment), arm): cell for (segment, arm), cell in rows.groupby(["segment", "arm"])}
    whole = dict(list(rows.groupby("arm")))
    chi_square, p = stats.chisquare([len(whole[arm["arm"]]) for arm in found["arms"]])
    comparison.near("chi-square", found["sample_ratio"]["chi_square"], chi_square)
    comparison.near("sample ratio p", found["sample_ratio"]["p"], p)
    for metric in found["metrics"]:
        name, is_share = metric["column"], metric["kind"] == "conversion"
        table(comparison, metric["comparisons"], lambda _, arm: whole[arm], name, is_share)
        table(comparison, metric["groups"], lambda group, arm: cells[(group[0], arm)], name, is_share)
        rates = ", ".join(f"{arm['arm']} {arm['mean']:.4f}" for arm in metric["arms"])
        shown = sum(c["verdict"] in ("higher", "lower") for c in metric["groups"])
        print(f"{name}: {rates}; shown in {shown} of {len(metric['groups'])} arms by segment")
    print(f"{comparison.figures} figures, largest relative difference {comparison.worst:.1e}")
    print("\n".join(comparison.faults), file=sys.stderr)
    sys.exit(bool(comparison.faults))


if __name__ == "__main__":
    main()
