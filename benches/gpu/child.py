"""Runs a program until a deadline: seconds and what it printed, or why there is no result."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


# Where `time.perf_counter` ends every program, whatever its own limit is.
deadline = float("inf")


class Failed(Exception):
    """A program that gave no result; the text says why."""


@dataclass
class Done:
    seconds: float
    code: int
    out: str
    errors: str


def run(command: list, env: dict, limit: float = float("inf"), may_fail: bool = False) -> Done:
    """Raises `Failed` at the deadline and after `limit` seconds, if the program cannot start, and, unless it
    `may_fail`, if it fails."""
    command, start = list(map(str, command)), time.perf_counter()
    limit = max(min(limit, deadline - start), 0.1)
    name = Path(command[0]).name
    try:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    except OSError as why:
        raise Failed(f"{name}: {why}") from None
    try:
        out, errors = child.communicate(timeout=None if limit == float("inf") else limit)
    except BaseException as stopped:
        # The group, so that nothing it started keeps the GPU busy.
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if isinstance(stopped, subprocess.TimeoutExpired):
            raise Failed(f"{name}: no result after {limit:.0f} s") from None
        raise
    done = Done(time.perf_counter() - start, child.returncode, out, errors)
    if done.code and not may_fail:
        raise Failed(complaint(name, done))
    return done


def complaint(name: str, done: Done) -> str:
    said = [line.strip() for line in done.errors.splitlines() if line.strip()]
    return f"{name}: exit code {done.code}: {' '.join(said[-3:])[-600:]}"
