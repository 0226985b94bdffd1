"""Hyades and its rivals on a GPU, within so many seconds. See README.md.

    python3 benches/gpu/measure.py --kit kit --folder /tmp/hyades --json gpu.json --markdown gpu.md

Everything is written when it is known, so a run that is stopped leaves what it had. Exits with 1 if Hyades' GPU and CPU
disagree, with 4 if there is no GPU that Hyades can use.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import child
import hyades
import machine
import report
from cells import CELLS, Cell, short
from pace import Pace

RIVALS = ["flash", "torch", "fastkmeans"]
# Small banks on which all that is not time is checked first: one group of segments, several, more than fit a workgroup.
CHECKS = ["1Mx8k16", "500kx32k256", "200kx64k1000"]
CHECK_PASSES = 20
# Bytes a value in a bank of `hyades synth`, and a row in the labelled file.
BANK_BYTES, LABEL_BYTES = 2.6, 20
# Mesa's software device, for trials, ends the loops of an invocation after 65,535 rounds, whatever is still to do. The
# integer definition of a row takes a little more than one round for each feature of each centroid.
SOFTWARE_ROUNDS = 50_000
# The run ends within these by default: a minute less than ten, for what comes before and after it.
SECONDS = 540
HERE = Path(__file__).parent


class Disagreement(Exception):
    """The GPU gave other labels or another model than the CPU."""


class Results:
    """The JSON and the Markdown, written after every step."""

    def __init__(self, given: argparse.Namespace):
        self.given = given
        self.all = {"when": datetime.now().isoformat("T", "minutes"), "limit_s": given.seconds,
                    "rows_factor": given.rows_factor, "passes": given.passes, "repeat": given.repeat, "machine": {},
                    "checks": {}, "cells": {}, "skipped": [], "failed": [], "seconds": 0.0}

    def cell(self, cell: Cell) -> dict:
        begin = {"rows": cell.rows, "features": cell.features, "k": cell.k, "hyades": None, "cpu": None, "rivals": {}}
        return self.all["cells"].setdefault(str(cell), begin)

    def write(self) -> None:
        being_written = self.given.json.with_suffix(".part")
        being_written.write_text(json.dumps(self.all, indent=1) + "\n")
        being_written.rename(self.given.json)
        if self.given.markdown:
            self.given.markdown.write_text(report.markdown(self.all))


class Run:
    """Does one task after the other: each only if it fits. At the deadline `child` ends what still runs."""

    def __init__(self, given: argparse.Namespace, pace: Pace, results: Results):
        self.given, self.pace, self.results = given, pace, results
        self.banks: dict[int, Path] = {}
        self.columns: dict[int, str] = {}
        self.failures: dict[str, int] = {}

    def say(self, line: str) -> None:
        print(f"[{self.pace.elapsed():6.1f} s] {line}", file=sys.stderr, flush=True)

    def make_ready(self) -> None:
        given = self.given
        self.machine = machine.Machine(given.kit, given.folder)
        self.machine.make_ready()
        program = given.hyades or self.machine.program()
        self.hyades = hyades.Hyades(program, self.machine.env, given.folder, given.device, given.price_per_hour)
        doctor = self.hyades.doctor()
        self.results.all["machine"] = {**machine.facts(), "hyades": self.hyades.version(), "doctor": doctor,
                                       "notes": self.machine.notes}
        for note in self.machine.notes:
            self.say(note)
        devices = [device["details"] for device in doctor["devices"]]
        self.say("devices: " + ("; ".join(devices) or "none"))
        if not given.device and not any(device["real"] for device in doctor["devices"]):
            raise child.Failed("Hyades finds no real GPU: " + "; ".join(doctor["advice"]))
        self.software = not any(device["real"] and (given.device or "").lower() in device["name"].lower()
                                for device in doctor["devices"])

    def attempt(self, what: str, parts: list[tuple[str, float]], work) -> bool:
        """Whether `work` was done; if not, the results say why."""
        if why := self.pace.why_not(parts):
            self.skip(what, why)
            return False
        self.say(f"{what} (some {self.pace.estimate(parts):.0f} s)")
        try:
            work()
        except child.Failed as why:
            self.say(f"  FAILED: {why}")
            self.results.all["failed"].append({"what": what, "why": str(why)})
            return False
        finally:
            self.results.all["seconds"] = self.pace.elapsed()
            self.results.write()
        return True

    def skip(self, what: str, why: str) -> None:
        # A bank is asked for by every fit of its cells.
        if all(one["what"] != what for one in self.results.all["skipped"]):
            self.say(f"{what}: skipped: {why}")
            self.results.all["skipped"].append({"what": what, "why": why})

    def too_long(self, cell: Cell, what: str) -> bool:
        """Whether a software device would give wrong answers."""
        if not self.software or cell.features * cell.k < SOFTWARE_ROUNDS:
            return False
        self.skip(what, "a software device ends its loops too early for so many centroids")
        return True

    def check(self, cell: Cell) -> None:
        """The same fit on CPU and GPU, to the byte."""
        if self.too_long(cell, f"check {cell}"):
            return
        file = self.given.folder / "check.parquet"

        def work():
            took = self.hyades.synth(file, cell.rows, cell.features)
            self.pace.learn("synth", cell.values, took)
            options = ["--max-iter", CHECK_PASSES, "--tol", "0", "--init", "random", "--n-init", "1"]
            found = self.hyades.bench(file, cell, "cpu,gpu", options)
            self.results.all["checks"][str(cell)] = {
                "rows": found["rows"], "features": found["features"], "k": found["k"], "agree": found["agree"],
                "labels": [run["labels_blake3"] for run in found["runs"]],
                "models": [run["model_blake3"] for run in found["runs"]]}
            self.say(f"  {'the same labels and model' if found['agree'] else 'THEY DISAGREE'}")
            if not found["agree"]:
                raise Disagreement(f"{cell}: the GPU's labels or model are not the CPU's")

        passes = CHECK_PASSES * cell.work
        self.attempt(f"check {cell}", [("synth", cell.values), ("gpu rest", cell.values), ("gpu pass", passes),
                                       ("cpu rest", cell.values), ("cpu pass", passes)], work)

    def bank(self, cell: Cell) -> bool:
        """Makes the bank of a cell, with the columns that any cell of as many rows needs."""
        features = max(other.features for other in self.given.cells if other.rows == cell.rows)
        if cell.rows in self.banks:
            return True
        file, values = self.given.folder / f"bank-{short(cell.rows)}x{features}.parquet", cell.rows * features
        what = f"bank {short(cell.rows)} x {features}"
        if not self.room(int(values * BANK_BYTES), cell.rows):
            self.skip(what, f"not enough room in {self.given.folder}")
            return False

        def work():
            took = self.hyades.synth(file, cell.rows, features)
            self.pace.learn("synth", values, took)
            self.results.all.setdefault("banks", {})[f"{short(cell.rows)}x{features}"] = {
                "seconds": took, "bytes": file.stat().st_size}
            self.banks[cell.rows] = file
            self.say(f"  {took:.1f} s, {file.stat().st_size / 1e9:.2f} GB")

        if not self.attempt(what, [("synth", values)], work):
            file.unlink(missing_ok=True)
            return False
        return True

    def room(self, wanted: int, rows: int) -> bool:
        """Whether a bank of `rows` and its labels have room, if need be after removing the others: they are only read
        again by the CPU."""
        for other in [None, *self.banks]:
            if other is not None:
                self.banks.pop(other).unlink()
                self.say(f"bank of {short(other)} rows removed, to make room")
            if shutil.disk_usage(self.given.folder).free > wanted + rows * LABEL_BYTES:
                return True
        return False

    def fit(self, cell: Cell, backend: str) -> None:
        """Hyades' full passes and whole job."""
        given, rows = self.given, cell.rows
        what = f"{cell}: Hyades on the {backend.upper()}"
        if backend == "gpu" and self.too_long(cell, what):
            return
        if not self.bank(cell):
            return self.skip(what, "its bank is not there")
        repeat = given.repeat if backend == "gpu" else 1
        full = max(other.features for other in given.cells if other.rows == rows)
        passes, result = repeat * given.passes * cell.work, self.results.cell(cell)

        def work():
            if cell.features < full and cell.features not in self.columns:
                self.columns[cell.features] = self.hyades.first_columns(cell.features)
            columns = self.columns[cell.features] if cell.features < full else None
            found = self.hyades.full_passes(self.banks[rows], cell, columns, backend, repeat, given.passes)
            run, = found["runs"]
            in_passes = hyades.passes_seconds(run)
            self.pace.learn(f"{backend} rest", repeat * cell.values, repeat * (run["seconds"] - in_passes))
            self.pace.learn(f"{backend} pass", passes, repeat * in_passes)
            result["hyades" if backend == "gpu" else "cpu"] = found
            self.say(f"  first pass {run['passes'][0]['seconds'] * 1e3:.2f} ms, later {run['pass_ms']:.2f} ms, "
                     f"whole job {run['seconds']:.2f} s")

        done = self.attempt(what, [(f"{backend} rest", repeat * cell.values), (f"{backend} pass", passes)], work)
        if done and backend == "cpu" and result["hyades"]:
            self.compare(cell, result)

    def compare(self, cell: Cell, result: dict) -> None:
        """The CPU's labels and model of a large cell beside the GPU's."""
        same = all(result["hyades"]["runs"][0][name] == result["cpu"]["runs"][0][name]
                   for name in ("labels_blake3", "model_blake3"))
        result["agree"] = same
        self.say(f"  {'the same labels and model as on the GPU' if same else 'THE GPU DISAGREES'}")
        if not same:
            raise Disagreement(f"{cell}: the GPU's labels or model are not the CPU's")

    def rival(self, cell: Cell, name: str) -> None:
        what, given = f"{cell}: {report.SPOKEN[name]}", self.given
        if self.failures.get(name, 0) >= 2:
            return self.skip(what, "it failed twice before")
        rivals, passes = self.results.cell(cell)["rivals"], given.passes * cell.work

        def work():
            command = [sys.executable, HERE / "rivals.py", name, cell.rows, cell.features, cell.k, given.passes,
                       given.rivals_device]
            try:
                done = child.run(command, self.machine.env, given.rival_limit)
            except child.Failed as why:
                self.failures[name] = self.failures.get(name, 0) + 1
                rivals[name] = {"failed": str(why)}
                raise
            found = rivals[name] = json.loads(done.out.splitlines()[-1])
            in_passes = sum(found["passes_ms"]) / 1e3
            # Trying, compiling and the first labels take a pass or two more, which are not counted as passes.
            self.pace.learn(f"{name} rest", cell.values, done.seconds - in_passes)
            self.pace.learn(f"{name} pass", passes, in_passes)
            self.say(f"  {found['median_ms']:.2f} ms a pass, {found['labels_differ']:.2e} of the labels differ")

        self.attempt(what, [(f"{name} rest", cell.values), (f"{name} pass", passes)], work)

    def all(self) -> None:
        given = self.given
        self.make_ready()
        for cell in given.checks:
            self.check(cell)
        # What tells most first; what there may be no time for last.
        for cell in given.cells:
            self.fit(cell, "gpu")
            self.fit(cell, "cpu")
            for name in (n for n in given.rivals if n != "fastkmeans"):
                self.rival(cell, name)
        if "fastkmeans" in given.rivals:
            for cell in given.cells:
                self.rival(cell, "fastkmeans")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    comma = lambda of: lambda text: [of(part) for part in text.split(",") if part]
    add = parser.add_argument
    add("--kit", type=Path, default=Path("kit"), help="the folder that pack.py made (default kit)")
    add("--hyades", type=Path, help="the program (default: the kit's)")
    add("--folder", type=Path, required=True, help="for banks and all that is unpacked: some 20 GB, removed at the end")
    add("--json", type=Path, required=True, help="results")
    add("--markdown", type=Path, help="tables of the results")
    add("--seconds", type=float, default=float(os.environ.get("HYADES_KIT_SECONDS", SECONDS)),
        help=f"the run ends within these (default HYADES_KIT_SECONDS, else {SECONDS})")
    add("--cells", type=comma(Cell.parse), default=comma(Cell.parse)(",".join(CELLS)),
        help=f"those that tell most first (default {','.join(CELLS)})")
    add("--trial", action="store_true", help="try all steps without a GPU, on Mesa's software device: the same as "
        "--rows-factor 0.0005 --device llvmpipe --rivals-device cpu")
    add("--rows-factor", type=float, default=1.0, help="all cells with so many times the rows, for a trial")
    add("--rivals", type=comma(str), default=RIVALS, help=f"of {','.join(RIVALS)} (default all)")
    add("--rivals-device", default="cuda", help="as torch names it; cpu to try (default cuda)")
    add("--rival-limit", type=float, default=90, help="seconds for a rival on a cell (default 90)")
    add("--device", help="Hyades' GPU, by a part of its name (default: the first real one)")
    add("--passes", type=int, default=10, help="full passes (default 10)")
    add("--repeat", type=int, default=2, help="times Hyades does each fit; the fastest counts (default 2)")
    add("--price-per-hour", type=float, help="of the machine, for the cost of a million rows")
    given = parser.parse_args()
    if given.trial:
        given.rows_factor, given.device, given.rivals_device = 0.0005, "llvmpipe", "cpu"
    if wrong := set(given.rivals) - set(RIVALS):
        parser.error(f"{', '.join(sorted(wrong))}: no such rivals; there are {', '.join(RIVALS)}")
    given.checks = [Cell.parse(text).scaled(min(1.0, 100 * given.rows_factor)) for text in CHECKS]
    given.cells = [cell.scaled(given.rows_factor) for cell in given.cells]
    given.kit, given.folder = given.kit.resolve(), given.folder.resolve()
    return given


def main() -> int:
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    # A limit from outside ends children and keeps results, as the deadline does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.folder = Path(tempfile.mkdtemp(prefix="measure-", dir=given.folder))
    results = Results(given)
    run, code = Run(given, Pace(given.seconds), results), 0
    child.deadline = run.pace.deadline()
    try:
        run.all()
    except Disagreement as why:
        results.all["failed"].append({"what": "equality", "why": str(why)})
        code = 1
    except child.Failed as why:
        results.all["failed"].append({"what": "beginning", "why": str(why)})
        code = 4
    finally:
        results.all["seconds"] = run.pace.elapsed()
        results.write()
        shutil.rmtree(given.folder, ignore_errors=True)
    print(report.markdown(results.all))
    if code:
        print(f"FAILED: {results.all['failed'][-1]['why']}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
