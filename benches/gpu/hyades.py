"""Hyades from outside: its devices, banks, and `hyades bench`. Enters: the program. Leaves: what it wrote as JSON."""

import json
from dataclasses import dataclass
from pathlib import Path

import child
from cells import Cell

SEGMENTS = 16
# A column of every bank that is no feature by default; the figures are of all.
PROTECTED = "age_years"


@dataclass
class Hyades:
    program: Path
    env: dict
    folder: Path
    # A part of the name of the GPU; None: the first real one.
    device: str | None
    price_per_hour: float | None

    def version(self) -> str:
        return child.run([self.program, "--version"], self.env, 20).out.split()[-1]

    def doctor(self) -> dict:
        return json.loads(child.run([self.program, "doctor", "--json"], self.env, 60).out)

    def knows(self, option: str) -> bool:
        return option in child.run([self.program, "bench", "--help"], self.env, 20).out

    def synth(self, file: Path, rows: int, features: int) -> float:
        """Makes a bank; seconds."""
        done = child.run([self.program, "synth", "--rows", rows, "--features", features, "--segments", SEGMENTS,
                          "--seed", "1", "--out", file, "-q"], self.env)
        return done.seconds

    def first_columns(self, features: int) -> str:
        """Names of the first features of any bank, which are the same whatever comes after them."""
        file, out = self.folder / "names.parquet", self.folder / "names"
        self.synth(file, 1000, features)
        child.run([self.program, "fit", file, "--k", "2", "--out", out, "--backend", "cpu", "-q",
                   *self.every_feature([])], self.env, 30)
        model = json.loads((out / "model.json").read_text())["model"]
        return ",".join(model["parts"][0]["feature_names_in_"])

    def every_feature(self, options: list) -> list:
        return ["--include", PROTECTED] if "--features" not in options and self.knows("--include") else []

    def bench(self, file: Path, cell: Cell, backends: str, options: list) -> dict:
        """The JSON of `hyades bench`, also where its backends disagree."""
        out = self.folder / "bench.json"
        out.unlink(missing_ok=True)
        command = [self.program, "bench", file, "--k", cell.k, "--backends", backends, "--json", out, "-q", *options,
                   *self.every_feature(options)]
        if self.device and "gpu" in backends:
            command += ["--device", self.device]
        if self.price_per_hour is not None and self.knows("--price-per-hour"):
            command += ["--price-per-hour", self.price_per_hour]
        done = child.run(command, self.env, may_fail=True)
        if not out.exists():
            raise child.Failed(child.complaint("hyades", done))
        return json.loads(out.read_text())

    def full_passes(self, file: Path, cell: Cell, columns: str | None, backend: str, repeat: int,
                    passes: int) -> dict:
        """Every distance in each of so many passes, from rows drawn at random and refined on a sample."""
        options = ["--repeat", repeat, "--max-iter", passes, "--tol", "0", "--init", "random", "--n-init", "1",
                   "--seed", "1", "--no-skipping"]
        return self.bench(file, cell, backend, options + (["--features", columns] if columns else []))


def stages(run: dict) -> dict[str, float]:
    return {stage["stage"]: stage["seconds"] for stage in run["stages"]}


def decoding(run: dict) -> float:
    """From opening the file to prepared tiles."""
    return sum(stages(run).get(stage, 0.0) for stage in ("open", "decode", "prepare"))


def passes_seconds(run: dict) -> float:
    return sum(one["seconds"] for one in run["passes"])
