"""Hyades' prepared values against scikit-learn's ColumnTransformer with the same choices.

    python recipes.py --hyades target/release/hyades --data FOLDER

FOLDER holds give_me_credit_150k.parquet, credit_default_30k.parquet and kdd99_494k.parquet. For each a recipe is fitted,
`hyades recipe apply` writes what the clustering sees, and the same columns go through scikit-learn's transformers. Hyades
centres every feature on its mean, which moves no distance; so does this script with scikit-learn's. Exits with 1 if a value
differs by more than 1e-5 scaled units (of what exceeds 1: by 1e-5 of it).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (FunctionTransformer, MinMaxScaler, OneHotEncoder, PowerTransformer,
                                   QuantileTransformer, RobustScaler, StandardScaler)

WITHIN = 1e-5


def function(f):
    return FunctionTransformer(f, feature_names_out="one-to-one")


def signed_log(x):
    return np.sign(x) * np.log1p(np.abs(x))


def without(*codes):
    return function(lambda x: np.where(np.isin(x, codes), np.nan, x))


class Winsorise(FunctionTransformer):
    """Moves values beyond two quantiles of the fit to them."""

    def __init__(self, low=0.01, high=0.99):
        super().__init__(feature_names_out="one-to-one")
        self.low, self.high = low, high

    def fit(self, x, y=None):
        super().fit(x)
        self.bounds_ = np.nanquantile(x, [self.low, self.high], axis=0)
        return self

    def transform(self, x):
        return np.clip(x, self.bounds_[0], self.bounds_[1])


def power():
    return PowerTransformer(standardize=False)


def ranks():
    return QuantileTransformer(n_quantiles=101, subsample=None)


# Half a step of Hyades' grid is 2^-23 of what the farthest value may reach: to compare to 1e-5, none may reach far.
CLIP = 15.0


def clipped():
    return function(lambda x: np.clip(x, -CLIP, CLIP))


def numbers(*steps, impute="median", scale=None):
    return make_pipeline(*steps, SimpleImputer(strategy=impute), scale or StandardScaler(), clipped())


class Block(FunctionTransformer):
    """One-hot features divided by one number, so that their variances sum to 1."""

    def __init__(self):
        super().__init__(feature_names_out="one-to-one")

    def fit(self, x, y=None):
        super().fit(x)
        self.unit_ = np.sqrt(np.var(x, axis=0).sum())
        return self

    def transform(self, x):
        return x / self.unit_


def one_hot(top=None):
    # scikit-learn counts the feature of all others among the categories.
    encoder = OneHotEncoder(sparse_output=False, max_categories=None if top is None else top + 1)
    return make_pipeline(encoder, Block())


CREDIT = """
[defaults]
clip = 15
transform = "none"
[columns.RevolvingUtilizationOfUnsecuredLines]
transform = "yeo-johnson"
[columns."NumberOf*PastDueNotWorse"]
sentinels = [96, 98]
transform = "sqrt"
[columns.NumberOfTimes90DaysLate]
sentinels = [96, 98]
transform = "log1p"
missing = "mean"
[columns.DebtRatio]
transform = "quantile"
[columns.MonthlyIncome]
transform = "signed-log1p"
winsorise = [0.01, 0.99]
indicator = true
[columns.NumberOfOpenCreditLinesAndLoans]
scale = "robust"
[columns.NumberRealEstateLoansOrLines]
scale = "minmax"
[columns.NumberOfDependents]
missing = 0
[derived.due_a_line]
ratio = ["NumberOfTime30-59DaysPastDueNotWorse", "NumberOfOpenCreditLinesAndLoans"]
[derived.more_lines]
difference = ["NumberOfOpenCreditLinesAndLoans", "NumberRealEstateLoansOrLines"]
"""


def credit(table):
    past = [c for c in table.columns if c.endswith("PastDueNotWorse")]
    due = table["NumberOfTime30-59DaysPastDueNotWorse"].where(lambda v: ~v.isin([96, 98]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = due / table["NumberOfOpenCreditLinesAndLoans"]
    table = table.assign(due_a_line=ratio.replace([np.inf, -np.inf], np.nan),
                         more_lines=table["NumberOfOpenCreditLinesAndLoans"] - table["NumberRealEstateLoansOrLines"],
                         MonthlyIncome_missing=table["MonthlyIncome"].isna().astype(float))
    steps = [
        ("plain", numbers(), ["SeriousDlqin2yrs", "age", "due_a_line", "more_lines"]),
        ("power", numbers(power()), ["RevolvingUtilizationOfUnsecuredLines"]),
        ("past", numbers(without(96, 98), function(np.sqrt)), past),
        ("late", numbers(without(96, 98), function(np.log1p), impute="mean"), ["NumberOfTimes90DaysLate"]),
        ("rank", numbers(ranks()), ["DebtRatio"]),
        ("income", numbers(function(signed_log), Winsorise()), ["MonthlyIncome"]),
        ("missing", "passthrough", ["MonthlyIncome_missing"]),
        ("robust", numbers(scale=RobustScaler()), ["NumberOfOpenCreditLinesAndLoans"]),
        ("minmax", numbers(scale=MinMaxScaler()), ["NumberRealEstateLoansOrLines"]),
        ("zero", make_pipeline(SimpleImputer(strategy="constant", fill_value=0), StandardScaler(), clipped()), ["NumberOfDependents"]),
    ]
    return steps, table, None


DEFAULT = """
[defaults]
clip = 15
transform = "none"
[columns."BILL_*"]
transform = "yeo-johnson"
[columns."PAY_AMT*"]
transform = "quantile"
[reduce]
components = 4
whiten = true
"""


def default(table):
    bills = [c for c in table.columns if c.startswith("BILL_")]
    pays = [c for c in table.columns if c.startswith("PAY_AMT")]
    rest = [c for c in table.columns if c not in bills + pays + ["ID"]]
    steps = [("rest", numbers(), rest), ("bills", numbers(power()), bills), ("pays", numbers(ranks()), pays)]
    return steps, table, PCA(n_components=4, whiten=True, svd_solver="full")


KDD = """
[defaults]
clip = 15
transform = "none"
[columns.protocol_type]
encode = "one-hot"
[columns.service]
encode = "one-hot"
top = 12
[columns.flag]
encode = "one-hot"
[columns.src_bytes]
transform = "yeo-johnson"
[columns.dst_bytes]
transform = "quantile"
"""


def kdd(table):
    texts = ["protocol_type", "service", "flag"]
    special = ["src_bytes", "dst_bytes", "row_id", "label"]
    rest = [c for c in table.columns if c not in texts + special and table[c].nunique() > 1]
    steps = [
        ("rest", numbers(), rest),
        ("power", numbers(power()), ["src_bytes"]),
        ("rank", numbers(ranks()), ["dst_bytes"]),
        ("protocol", one_hot(), ["protocol_type"]),
        ("service", one_hot(12), ["service"]),
        ("flag", one_hot(), ["flag"]),
    ]
    return steps, table, None


def named(name):
    """Hyades' name of a feature that scikit-learn names."""
    name = name.split("__", 1)[1]
    for text in ("protocol_type", "service", "flag"):
        if name.startswith(text + "_"):
            rest = name[len(text) + 1 :]
            return f"{text}=(other)" if rest == "infrequent_sklearn" else f"{text}={rest}"
    return name


def compare(hyades, folder, file, recipe, choices, options):
    (folder / "recipe.toml").write_text(recipe)
    source = folder / "out"
    run = lambda *args: subprocess.run([hyades, *map(str, args)], check=True, capture_output=True)
    run("fit", file, "--k", 3, "--n-init", 1, "--max-iter", 1, "--recipe", folder / "recipe.toml", "--out", source, *options)
    run("recipe", "apply", source / "model.json", file, "--out", folder / "prepared.parquet")
    ours = pq.read_table(folder / "prepared.parquet").to_pandas().iloc[:, 1:].astype(np.float64)
    steps, table, pca = choices(pq.read_table(file).to_pandas())
    transformer = ColumnTransformer(steps)
    theirs = pd.DataFrame(transformer.fit_transform(table), columns=[named(n) for n in transformer.get_feature_names_out()])
    if pca is not None:
        # scikit-learn whitens by the variance with n - 1, Hyades by that with n, as its z-scores are.
        values = pca.fit_transform(theirs) * np.sqrt(len(theirs) / (len(theirs) - 1))
        theirs = pd.DataFrame(values, columns=[f"component_{i + 1}" for i in range(values.shape[1])])
        # A component and its negative are the same direction.
        theirs *= np.sign((theirs.to_numpy() * ours.to_numpy()).sum(axis=0))
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    missing, more = set(theirs) - set(ours), set(ours) - set(theirs)
    if missing or more:
        raise SystemExit(f"{file.name}: features differ: only in scikit-learn {sorted(missing)}, only in Hyades {sorted(more)}")
    worst = 0.0
    for name in ours:
        a, b = ours[name].to_numpy(), theirs[name].to_numpy()
        difference = float((np.abs(a - b) / np.maximum(1.0, np.abs(b))).max())
        worst = max(worst, difference)
        if difference > WITHIN:
            row = int((np.abs(a - b) / np.maximum(1.0, np.abs(b))).argmax())
            print(f"  {name}: {difference:.2e} in row {row}: {a[row]!r} {b[row]!r}")
    print(f"{file.name}: {len(ours):,} rows x {len(ours.columns)} features, largest difference {worst:.1e}")
    return worst <= WITHIN


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyades", required=True)
    parser.add_argument("--data", required=True, type=Path)
    args = parser.parse_args()
    cases = [
        ("give_me_credit_150k.parquet", CREDIT, credit, "age"),
        ("credit_default_30k.parquet", DEFAULT, default, "SEX,MARRIAGE,AGE"),
        ("kdd99_494k.parquet", KDD, kdd, None),
    ]
    equal = True
    for name, recipe, choices, protected in cases:
        options = ["--include", protected] if protected else []
        with tempfile.TemporaryDirectory() as folder:
            equal &= compare(args.hyades, Path(folder), args.data / name, recipe, choices, options)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
