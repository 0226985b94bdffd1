"""Draws the yardstick's results: times Hyades' time, on a logarithmic scale, one row a cell.

    python plot.py results.json benchmark.svg
"""

import json
import sys
from math import log10
from pathlib import Path

import svg
from banks import short
from engines import SPOKEN
from svg import GRID, text

COLOURS = {"hyades": svg.BLUE, "sklearn": svg.VERMILION, "intelex": svg.ORANGE, "faiss": svg.GREEN,
           "linfa": svg.PURPLE, "fastkmeans": svg.SKY}
WIDTH, LEFT, RIGHT, ROW, TOP = 860, 250, 40, 26, 64
TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def panels(results: dict) -> list[tuple[str, list]]:
    """Titles and rows: label, Hyades' own time, and how many times as long each other takes."""
    found = []
    for kind, title in (("passes", "A full pass over all rows, mean"), ("convergence", "To convergence"),
                        ("whole", "Whole job, Parquet to labelled Parquet: polars and scikit-learn")):
        rows = []
        for cell in (c for c in results["cells"].values() if c["kind"] == kind):
            label = f"{short(cell['rows'])} × {cell['features']}, k = {cell['k']}"
            if kind == "whole":
                others = {"sklearn": cell["ratio"]}
                ours = time(cell["hyades"]["seconds"])
            else:
                ratio = "ratio_of_means" if kind == "passes" else "ratio_of_seconds"
                others = {e: r[ratio] for e, r in cell["engines"].items() if e != "hyades"}
                hyades = cell["engines"].get("hyades")
                if not hyades:
                    continue
                ours = time(hyades["mean"] / 1e3 if kind == "passes" else hyades["seconds"])
            rows.append((label, ours, {engine: ratio for engine, ratio in others.items() if ratio}))
        if rows:
            found.append((title, rows))
    return found


def time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def dot(x: float, y: float, engine: str) -> str:
    return svg.dot(x, y, COLOURS[engine])


def draw(results: dict) -> str:
    shown = panels(results)
    ratios = [ratio for _, rows in shown for _, _, others in rows for ratio in [1.0, *others.values()]]
    if not ratios:
        raise SystemExit("the results hold no passes, no convergence and no whole job")
    ticks = bounds(min(ratios), max(ratios))
    low, high = log10(ticks[0]), log10(ticks[-1])
    at = lambda ratio: LEFT + (log10(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    machine = results["measured"][-1]["machine"]
    parts, y = [], TOP
    engines = [e for e in SPOKEN if e == "hyades" or any(e in others for _, rows in shown for _, _, others in rows)]
    parts.append(text(20, 26, f"Time as a multiple of Hyades' ({machine['processor']}, {machine['cores']} cores)", 15,
                      weight=600))
    x = 20.0
    for engine in engines:
        parts += [dot(x + 5, 46, engine), text(x + 14, 50, SPOKEN[engine])]
        x += 36 + 6.2 * len(SPOKEN[engine])
    for title, rows in shown:
        y += 30
        parts.append(text(20, y, title, 13, weight=600))
        bottom = y + 10 + ROW * len(rows)
        for tick in ticks:
            strong = tick == 1
            parts.append(f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{y + 10}" y2="{bottom}" '
                         f'stroke="{COLOURS["hyades"] if strong else GRID}" stroke-width="{2 if strong else 1}"/>')
            parts.append(text(at(tick), bottom + 14, f"{tick:g}×", 11, "middle"))
        for label, ours, others in rows:
            y += ROW
            parts += [text(20, y, label), text(LEFT - 14, y, ours, anchor="end", fill=COLOURS["hyades"], weight=600)]
            parts.append(dot(at(1), y - 4, "hyades"))
            for engine, ratio in sorted(others.items(), key=lambda pair: -pair[1]):
                parts.append(dot(at(ratio), y - 4, engine))
            if others:
                nearest = min(others.values())
                parts.append(text(at(nearest) - 8, y, f"{nearest:.1f}", 11, "end"))
        y = bottom + 20
    return svg.page(WIDTH, y + 12, "Times of k-means engines as multiples of Hyades' time", parts)


def bounds(least: float, most: float) -> list[float]:
    """The ticks that enclose all ratios."""
    first = max((i for i, tick in enumerate(TICKS) if tick <= least), default=0)
    last = min((i for i, tick in enumerate(TICKS) if tick >= most), default=len(TICKS) - 1)
    return TICKS[first : last + 1]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("python plot.py results.json benchmark.svg")
    Path(sys.argv[2]).write_text(draw(json.loads(Path(sys.argv[1]).read_text())))
