"""Draws how near Hyades' kernels, or else its passes, come to what the GPU can do: a roofline.

    python3 roofline.py gpu.json roofline.svg

Enters: the JSON of measure.py or of `hyades bench`. Leaves: operations per byte against operations a second, both on
logarithmic scales. Below the slope a kernel waits for memory, below the flat line for arithmetic. Without kernels in
the JSON a cell is one point, its later pass by the least that it must read and compute.
"""

import json
import sys
from dataclasses import dataclass
from math import atan2, ceil, cos, degrees, floor, log10, pi, sin
from pathlib import Path

from cells import ceilings, spoken

sys.path.append(str(Path(__file__).resolve().parent.parent / "peers"))
import svg
from svg import text

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 1060, 480, 100, 60, 640, 430
# Between two lines of the legend.
LINE = 19
# Kernels that take less of a fit's time than this are not drawn.
LEAST = 0.01


@dataclass
class Point:
    label: str
    # Operations per byte, and 10^9 operations a second.
    intensity: float
    gflops: float


def benches(results: dict) -> list[tuple[dict, dict]]:
    """Every run on a GPU, as its bench and what else is known of the cell."""
    if "cells" in results:
        return [(cell["hyades"], cell["rivals"]) for cell in results["cells"].values() if cell["hyades"]]
    return [({**results, "runs": [run]}, {}) for run in results["runs"] if run["backend"] == "gpu"]


def points(bench: dict) -> list[Point]:
    run, name = bench["runs"][0], spoken(bench["rows"], bench["features"], bench["k"])
    kernels = [k for k in run.get("kernels") or [] if k["operations"] and k["bytes"] and k["seconds"]]
    whole = sum(kernel["seconds"] for kernel in kernels)
    found = [Point(f"{name}: {k['kernel']}", k["operations"] / k["bytes"], k["operations"] / k["seconds"] / 1e9)
             for k in kernels if k["seconds"] >= LEAST * whole]
    return found or [Point(name, bench["k"] / 2, run["gflops"])]


def draw(results: dict) -> str:
    some = benches(results)
    known = [found for bench, rivals in some if (found := ceilings(bench["runs"][0], rivals))]
    if not known:
        raise SystemExit("no run on a GPU with what the device can do: device_ceilings of hyades bench, or torch's")
    # Other work can only lower them.
    memory, arithmetic = max(c["copy_gbs"] for c in known), max(c["gflops"] for c in known)
    shown = [point for bench, _ in some for point in points(bench)]
    device = some[0][0]["runs"][0]["device"]
    ridge = arithmetic / memory
    x = Scale([p.intensity for p in shown] + [ridge / 4, ridge * 4], LEFT, RIGHT)
    y = Scale([p.gflops for p in shown] + [arithmetic * 1.5], BOTTOM, TOP)
    parts = [text(20, 26, f"Hyades beside the ceilings of {device}", 15, weight=600)]
    parts += axes(x, y) + roof(x, y, memory, arithmetic)
    shown.sort(key=lambda p: -p.gflops)
    parts += numbered([(x(p.intensity), y(p.gflops)) for p in shown])
    parts += legend(shown, lambda p: min(arithmetic, memory * p.intensity))
    return svg.page(WIDTH, max(HEIGHT, TOP + LINE * (len(shown) + 2)), "Roofline of Hyades' kernels", parts)


class Scale:
    """From a value to a place, by logarithm, between powers of ten that hold all values."""

    def __init__(self, values: list[float], begin: float, end: float):
        self.low, self.high = floor(log10(min(values))), ceil(log10(max(values)))
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        return self.begin + (log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        return [10.0**e for e in range(self.low, self.high + 1)]


def axes(x: Scale, y: Scale) -> list[str]:
    parts = []
    for tick in x.ticks():
        parts += [line(x(tick), TOP, x(tick), BOTTOM, svg.GRID), text(x(tick), BOTTOM + 16, f"{tick:g}", 11, "middle")]
    for tick in y.ticks():
        parts += [line(LEFT, y(tick), RIGHT, y(tick), svg.GRID), text(LEFT - 8, y(tick) + 4, speed(tick), 11, "end")]
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 36, "operations per byte", 12, "middle"))
    parts.append(text(20, TOP - 12, "operations a second"))
    return parts


def roof(x: Scale, y: Scale, memory: float, arithmetic: float) -> list[str]:
    """The slope from where it enters the picture to the ridge, and the flat line on from there."""
    ridge = arithmetic / memory
    begin = max(10.0**x.low, 10.0**y.low / memory)
    x0, y0, x1, y1 = x(begin), y(memory * begin), x(ridge), y(arithmetic)
    angle = degrees(atan2(y1 - y0, x1 - x0))
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    label = text(*middle, f"{memory:,.0f} GB/s copied", 12, "middle", svg.VERMILION)
    turned = f'<g transform="translate(-4 -8) rotate({angle:.1f} {middle[0]:.1f} {middle[1]:.1f})">{label}</g>'
    flat = text(RIGHT - 4, y1 - 8, f"{arithmetic:,.0f} GFLOP/s, float32", 12, "end", svg.VERMILION)
    return [line(x0, y0, x1, y1, svg.VERMILION, 2), line(x1, y1, RIGHT, y1, svg.VERMILION, 2), turned, flat]


def numbered(places: list[tuple[float, float]]) -> list[str]:
    """Dots with their numbers in the legend beside them, each where it covers no dot and no other number."""
    taken = [box(x, y, 6) for x, y in places]
    parts = [svg.dot(x, y, svg.BLUE) for x, y in places]
    around = [(far * cos(turn * pi / 6), far * sin(turn * pi / 6)) for far in (13, 18, 24, 32) for turn in range(12)]
    for number, (x, y) in enumerate(places, 1):
        free = [(x + dx, y + dy) for dx, dy in around if not any(hits(box(x + dx, y + dy, 7), t) for t in taken)]
        at = free[0] if free else (x + 13, y)
        taken.append(box(*at, 7))
        parts.append(text(at[0], at[1] + 4, str(number), 11, "middle", weight=600))
    return parts


def box(x: float, y: float, half: float) -> tuple[float, float, float, float]:
    return x - half, y - half, x + half, y + half


def hits(a: tuple, b: tuple) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def legend(shown: list[Point], most) -> list[str]:
    """The fastest first, with its share of the roof straight above it."""
    parts, y = [text(WIDTH - 20, TOP - 12, "of its roof", 11, "end")], TOP + 4
    for number, point in enumerate(shown, 1):
        parts += [text(RIGHT + 42, y, str(number), 12, "end", weight=600), text(RIGHT + 52, y, point.label),
                  text(WIDTH - 90, y, speed(point.gflops), anchor="end"),
                  text(WIDTH - 20, y, f"{point.gflops / most(point):.0%}", anchor="end", weight=600)]
        y += LINE
    return parts


def speed(gflops: float) -> str:
    for size, unit in ((1e6, "PFLOP/s"), (1e3, "TFLOP/s"), (1.0, "GFLOP/s"), (1e-3, "MFLOP/s")):
        if gflops >= size:
            return f"{gflops / size:.3g} {unit}"
    return f"{gflops * 1e9:.3g} FLOP/s"


def line(x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("python3 roofline.py gpu.json roofline.svg")
    Path(sys.argv[2]).write_text(draw(json.loads(Path(sys.argv[1]).read_text())))
