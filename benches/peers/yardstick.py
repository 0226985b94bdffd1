"""The yardstick: Hyades and its rivals on the same files, in one run, in turn. See README.md.

    python yardstick.py --hyades target/release/hyades --folder /tmp/yard --json results.json

Every cell is written to the JSON when it is done; a cell that is measured again replaces its engines there and leaves
the others, so that results of several runs gather in one file. `--print` only prints the tables of such a file.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from datetime import datetime
from importlib import metadata
from pathlib import Path

import banks
import engines
import jobs
import prepared
import process
import side_by_side
import tables
import whole_job
from banks import Cell

KINDS = ["passes", "convergence", "whole", "decode", "scaling", "streamed"]
CELLS = ["10Mx16k8", "10Mx16k16", "10Mx16k64", "5Mx32k64", "5Mx32k256", "20Mx8k5", "1Mx64k1000"]
SCALING = ["1.25M", "2.5M", "5M", "10M", "20M", "40M"]
DECODED = [(types, codec) for types in ("float32", "mixed") for codec in ("snappy", "zstd")]
MOST_PASSES = 100
PACKAGES = ["numpy", "scikit-learn", "scikit-learn-intelex", "daal", "faiss-cpu", "pyarrow", "polars", "duckdb"]
CRATES = ["linfa-clustering", "fastkmeans-rs"]


class Results:
    """The JSON file: `measured` says where and with what each run was made, `cells` hold the figures."""

    def __init__(self, path: Path):
        self.path = path
        self.all = json.loads(path.read_text()) if path.exists() else {"measured": [], "cells": {}, "skipped": {}}

    def has(self, key: str) -> bool:
        return key in self.all["cells"]

    def add(self, key: str, cell: dict) -> None:
        run = len(self.all["measured"]) - 1
        if "engines" in cell:
            self.keep_others(cell, self.all["cells"].get(key), run)
        self.all["cells"][key] = {**cell, "measured": run}
        self.all["skipped"].pop(key, None)
        self.write()

    @staticmethod
    def keep_others(cell: dict, before: dict | None, run: int) -> None:
        """Engines that were measured in this cell before and not now, with why others were not."""
        for result in cell["engines"].values():
            result["measured"] = run
        if before and all(before[name] == cell[name] for name in ("most_passes", "every_distance")):
            known = {n: why for n, why in before["skipped"].items() if n not in cell["engines"]}
            cell["engines"] = {**before["engines"], **cell["engines"]}
            cell["skipped"] = {**known, **cell["skipped"]}
        for name in engines.RIVALS:
            if name not in cell["engines"]:
                cell["skipped"].setdefault(name, "not asked for")

    def skip(self, key: str, why: str) -> None:
        self.all["skipped"][key] = why
        self.write()

    def write(self) -> None:
        being_written = self.path.with_suffix(".part")
        being_written.write_text(json.dumps(self.all, indent=1) + "\n")
        being_written.rename(self.path)


class Yardstick:
    """Measures one cell of one kind at a time."""

    def __init__(self, given: argparse.Namespace, folder: Path):
        self.given, self.folder = given, folder

    def task(self, cell: Cell, passes: int, every_distance: bool) -> engines.Task:
        return engines.Task(self.given.hyades, self.bank(cell), banks.ID, cell.k, passes, every_distance, self.folder,
                            self.given.give_up)

    def bank(self, cell: Cell) -> Path:
        return banks.bank(self.given.hyades, self.given.folder, cell.rows, cell.features)

    def side_by_side(self, cell: Cell, passes: int, every_distance: bool, runs: int) -> dict:
        task = self.task(cell, passes, every_distance)
        engines.share(task)
        results, skipped = side_by_side.measure(task, ["hyades", *self.given.rivals], runs, self.given.limit, say)
        can = engines.can_switch_off_skipping(self.given.hyades)
        return {"most_passes": passes, "every_distance": every_distance and can, "turns": runs, "engines": results,
                "skipped": skipped}

    def passes(self, cell: Cell) -> dict:
        return self.side_by_side(cell, self.given.passes, True, self.given.runs)

    def convergence(self, cell: Cell) -> dict:
        return self.side_by_side(cell, MOST_PASSES, False, self.given.convergence_runs)

    def whole(self, cell: Cell) -> dict:
        return whole_job.measure(self.given.hyades, self.bank(cell), banks.ID, cell.k, self.given.runs, self.folder,
                                 self.given.limit, self.given.give_up, say)

    def decode(self, cell: Cell, types: str, codec: str) -> dict:
        file = banks.rewritten(self.bank(cell), types, codec)
        result = jobs.decode(self.given.hyades, file, self.given.runs, self.folder, self.given.give_up, say)
        return {"types": types, "codec": codec, **result}

    def scaling(self, cell: Cell) -> dict:
        return jobs.scaling(self.task(cell, self.given.passes, True), self.given.runs, say)

    def streamed(self, cell: Cell) -> dict:
        return jobs.streamed(self.task(cell, self.given.passes, True), self.given.runs, say)

    def cells(self):
        """Every cell: its key, what it is, and how to measure it."""
        given = self.given
        for kind in given.only:
            for cell in given.cells if kind in ("passes", "convergence", "whole") else []:
                yield f"{kind}/{cell}", kind, cell, lambda: getattr(self, kind)(cell)
            if kind == "decode":
                for types, codec in DECODED:
                    cell = given.job_cell
                    yield f"decode/{cell.bank}-{types}-{codec}", kind, cell, lambda: self.decode(cell, types, codec)
            if kind == "scaling":
                for rows in given.scaling_rows:
                    cell = Cell(rows, given.job_cell.features, given.job_cell.k)
                    yield f"scaling/{cell}", kind, cell, lambda: self.scaling(cell)
            if kind == "streamed":
                yield f"streamed/{given.job_cell}", kind, given.job_cell, lambda: self.streamed(given.job_cell)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "kernel": platform.release(),
            "system": platform.system()}


def versions(hyades: str) -> dict:
    found = {"hyades": subprocess.run([hyades, "--version"], capture_output=True, text=True).stdout.split()[-1],
             "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    lock = tomllib.loads((engines.HERE / "rust/Cargo.lock").read_text())
    return {**found, **{p["name"]: p["version"] for p in lock["package"] if p["name"] in CRATES}}


def ceilings(hyades: str, folder: Path) -> dict:
    """Multiply-adds and reading, as `hyades bench` measures them beside a small fit: the best of three, as other work
    can only lower them."""
    file, out = banks.bank(hyades, folder, 100_000, 8), folder / "ceilings.json"
    every = []
    for _ in range(3):
        process.timed([hyades, "bench", file, "--id", banks.ID, "--k", "8", "--backends", "cpu", "--json", out, "-q",
                        *(["--include", banks.PROTECTED] if prepared.can_include(hyades) else [])])
        every.append(json.loads(out.read_text())["ceilings"])
    return {name: max(found[name] for found in every) for name in every[0]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    comma = lambda of: lambda text: [of(part) for part in text.split(",") if part]
    add = parser.add_argument
    add("--hyades", help="the program")
    add("--folder", type=Path, help="where banks and matrices are made and kept (tens of GB at full size)")
    add("--json", type=Path, required=True, help="results, to begin or to go on with")
    add("--only", type=comma(str), default=KINDS, help=f"kinds, of {','.join(KINDS)} (default all)")
    add("--rivals", type=comma(str), default=engines.RIVALS, help=f"of {','.join(engines.RIVALS)} (default all)")
    add("--cells", type=comma(Cell.parse), default=[Cell.parse(c) for c in CELLS],
        help=f"for passes, convergence and whole (default {','.join(CELLS)})")
    add("--job-cell", type=Cell.parse, default=Cell.parse("10Mx16k16"),
        help="for decode and streamed; its features and segments for scaling (default 10Mx16k16)")
    add("--scaling-rows", type=comma(banks.count), default=[banks.count(r) for r in SCALING],
        help=f"(default {','.join(SCALING)})")
    add("--runs", type=int, default=5, help="turns (default 5)")
    add("--convergence-runs", type=int, default=1, help="turns of convergence (default 1)")
    add("--passes", type=int, default=10, help="full passes (default 10)")
    add("--limit", type=float, default=300, help="seconds; a rival slower than this is run once (default 300)")
    add("--give-up", type=float, default=1800, help="seconds after which a run is stopped (default 1800)")
    add("--crates", type=Path, default=engines.CRATES, help="the program built in rust/")
    add("--resume", action="store_true", help="leave out cells that the results have")
    add("--print", action="store_true", help="measure nothing, print the tables of the results")
    given = parser.parse_args()
    for chosen, known, what in ((given.only, KINDS, "kinds"), (given.rivals, engines.RIVALS, "rivals")):
        if wrong := set(chosen) - set(known):
            parser.error(f"{', '.join(sorted(wrong))}: no such {what}; there are {', '.join(known)}")
    if not given.print and not (given.hyades and given.folder):
        parser.error("--hyades and --folder are needed to measure")
    return given


def main() -> None:
    given = arguments()
    results = Results(given.json)
    if not given.print:
        measure(given, results)
    print(tables.markdown(results.all))


def measure(given: argparse.Namespace, results: Results) -> None:
    engines.CRATES = given.crates
    given.folder.mkdir(parents=True, exist_ok=True)
    results.all["measured"].append({
        "when": datetime.now().isoformat("T", "minutes"), "machine": machine(), "versions": versions(given.hyades),
        "ceilings": ceilings(given.hyades, given.folder), "load": os.getloadavg()[0],
    })
    for kind in KINDS:
        if kind not in given.only:
            if not any(key.startswith(kind) for key in results.all["cells"]):
                results.skip(kind, "not asked for")
        else:
            results.all["skipped"].pop(kind, None)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for key, kind, cell, run in Yardstick(given, Path(folder)).cells():
            if given.resume and results.has(key):
                continue
            say(key)
            load = os.getloadavg()[0]
            try:
                result = run()
            except process.Failed as why:
                say(f"  {why}")
                results.skip(key, str(why))
                continue
            results.add(key, {"kind": kind, "rows": cell.rows, "features": cell.features, "k": cell.k, "load": load,
                              **result})


if __name__ == "__main__":
    main()
