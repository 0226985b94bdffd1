"""Runs a program under GNU time: seconds, peak memory and what it printed, or why there is no result."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


class Failed(SystemExit):
    """A program that gave no result; the text says why, and ends a script that does not catch it."""


@dataclass
class Done:
    seconds: float
    peak_mib: float
    # The share of all cores that other work took meanwhile.
    others: float
    out: str


def timed(command: list[str], give_up: float | None = None) -> Done:
    """Raises `Failed` if the program fails, or still runs after `give_up` seconds."""
    warm(command)
    # GNU time forks from itself, so the peak is not that of this process, which a forked child would inherit.
    measured = ["/usr/bin/time", "-f", "%M", *map(str, command)]
    start, before = time.perf_counter(), (busy(), own())
    child = subprocess.Popen(measured, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True)
    try:
        out, errors = child.communicate(timeout=give_up)
        seconds = time.perf_counter() - start
    except BaseException as stopped:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if isinstance(stopped, subprocess.TimeoutExpired):
            raise Failed(f"no result after {give_up:g} s") from None
        raise
    if child.returncode != 0:
        # GNU time adds two lines of its own.
        said = [line.strip() for line in errors.splitlines() if line.strip()][:-2]
        raise Failed(f"{os.path.basename(command[0])}: exit code {child.returncode}: {' '.join(said[-3:])}")
    others = (busy() - before[0] - (own() - before[1])) / (seconds * os.cpu_count())
    return Done(seconds, int(errors.split()[-1]) / 1024, min(max(others, 0.0), 1.0), out)


def warm(command: list[str]) -> None:
    """Reads the files that a command is given, so that every engine finds them in the page cache."""
    for argument in map(Path, map(str, command)):
        if argument.suffix in (".parquet", ".f32") and argument.is_file():
            with open(argument, "rb", buffering=0) as file:
                while file.read(1 << 24):
                    pass


def busy() -> float:
    """Seconds in which any core of the machine worked."""
    user, nice, system, _, _, *interrupts_and_stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    """Processor seconds of the programs that this process ran and of itself."""
    return sum(os.times()[:4])
