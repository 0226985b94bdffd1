"""A cell of the run: rows x features, k segments. What it costs, and the least time that a GPU could take for a pass.

Enters: `50Mx32k16`. Leaves: numbers; nothing is measured here.
"""

import re
from dataclasses import dataclass

# Those that tell most first, since a run that ends early has only those: bound by memory, by either, by arithmetic. All
# of the same number of rows share one bank's columns.
CELLS = ["50Mx8k16", "50Mx32k64", "20Mx64k1000", "50Mx32k16", "50Mx32k256", "100Mx16k20"]
# Operations per byte at which a data-centre GPU is as busy computing float32 as reading; only for estimates of time.
BALANCE = 20


@dataclass(frozen=True)
class Cell:
    rows: int
    features: int
    k: int

    @classmethod
    def parse(cls, text: str) -> "Cell":
        found = re.fullmatch(r"([\d.]+)([kM]?)x(\d+)k(\d+)", text)
        if not found:
            raise ValueError(f"{text!r}: expected rows x features k segments, such as 50Mx32k16")
        return cls(round(float(found[1]) * {"k": 1e3, "M": 1e6, "": 1}[found[2]]), int(found[3]), int(found[4]))

    def scaled(self, factor: float) -> "Cell":
        """Fewer rows for a trial, but always some for each segment."""
        return Cell(max(round(self.rows * factor), 4 * self.k), self.features, self.k)

    @property
    def values(self) -> int:
        return self.rows * self.features

    @property
    def read_bytes(self) -> int:
        return 4 * self.values

    @property
    def operations(self) -> int:
        return 2 * self.values * self.k

    @property
    def work(self) -> float:
        """What a pass costs, in bytes or their equals in operations."""
        return self.read_bytes + self.operations / BALANCE

    def __str__(self) -> str:
        return f"{short(self.rows)}x{self.features}k{self.k}"


def short(rows: int) -> str:
    if rows % 1_000 or not rows:
        return str(rows)
    return f"{rows / 1e6:g}M" if rows >= 1_000_000 else f"{rows // 1_000}k"


def spoken(rows: int, features: int, k: int) -> str:
    return f"{short(rows)} x {features}, k = {k}"


def ceilings(run: dict | None, rivals: dict) -> dict | None:
    """What the GPU can do: as `hyades bench` measured it, else as torch did (a copy, a product of float32 matrices)."""
    found = (run or {}).get("device_ceilings")
    if found and found.get("gflops") and found.get("copy_gbs"):
        return {**found, "by": "Hyades"}
    found = rivals.get("torch", {}).get("ceilings")
    return {**found, "by": "torch"} if found else None


def floors(cell: Cell, measured: dict | None) -> tuple[float | None, float | None]:
    """Milliseconds: every value read once, and every distance by 2 operations a value."""
    if not measured:
        return None, None
    return cell.read_bytes / measured["copy_gbs"] / 1e6, cell.operations / measured["gflops"] / 1e6
