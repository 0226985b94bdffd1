"""How long the next task will take, by what was measured so far, and whether it still fits.

Enters: seconds of what was done, by kind and size. Leaves: estimates. Until a kind is measured, a careful guess counts.
"""

import os
import time
from collections.abc import Iterable

CORES = len(os.sched_getaffinity(0))
# By kind: seconds whatever the size, and seconds a unit at first. Units are values (`rest`, `synth`) or bytes and their
# equals of all passes together. First guesses are those of two slow cores, by cores, and of a third of an H100.
GUESSES = {
    "synth": (1.0, 8e-8 / CORES),
    "gpu rest": (3.0, 6e-8 / CORES), "gpu pass": (0.0, 1e-12),
    "cpu rest": (1.0, 6e-8 / CORES), "cpu pass": (0.0, 2e-10 / CORES),
    "flash rest": (12.0, 2e-9), "flash pass": (0.0, 1e-11),
    "torch rest": (10.0, 2e-9), "torch pass": (0.0, 1e-11),
    "fastkmeans rest": (12.0, 2e-9), "fastkmeans pass": (0.0, 1e-11),
}
# An estimate may be this many times too low.
CARE = 1.25
# Seconds kept to write the results and to remove the banks.
KEPT = 10.0


class Pace:
    def __init__(self, seconds: float):
        self.start, self.seconds = time.perf_counter(), seconds
        self.known: dict[str, tuple[float, float]] = {}

    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def deadline(self) -> float:
        """Until when tasks may run, by `time.perf_counter`."""
        return self.start + self.seconds - KEPT

    def left(self) -> float:
        """What tasks may still take together."""
        return self.deadline() - time.perf_counter()

    def learn(self, kind: str, units: float, seconds: float) -> None:
        """The largest task of a kind counts, as small ones are mostly beginnings and ends."""
        if units >= self.known.get(kind, (0.0, 0.0))[0]:
            self.known[kind] = (units, max(seconds - GUESSES[kind][0], 0.0) / units)

    def estimate(self, parts: Iterable[tuple[str, float]]) -> float:
        return sum(GUESSES[kind][0] + self.rate(kind, units) * units for kind, units in parts)

    def rate(self, kind: str, units: float) -> float:
        """Seconds a unit. What was measured on a far smaller task does not tell that a large one is quick."""
        guess = GUESSES[kind][1]
        size, rate = self.known.get(kind, (units, guess))
        return max(rate, guess) if 20 * size < units else rate

    def why_not(self, parts: list[tuple[str, float]]) -> str | None:
        """Why a task is skipped, or nothing."""
        needs, left = self.estimate(parts), self.left()
        if needs * CARE <= left:
            return None
        return f"needs some {needs:.0f} s, and {max(left, 0):.0f} s are left"
