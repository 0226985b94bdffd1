"""Markdown of the yardstick's JSON. Enters: the results. Leaves: text; nothing is measured here."""

from math import log2

from banks import short
from engines import RIVALS, SPOKEN

ORDER = ["hyades", *RIVALS]


def markdown(results: dict) -> str:
    sections = [heading(results)]
    for kind, title, table in (
        ("passes", "Full passes", passes), ("convergence", "To convergence", convergence),
        ("whole", "Whole job", whole), ("decode", "Decoding", decode), ("scaling", "More and more rows", scaling),
        ("streamed", "Streamed", streamed),
    ):
        cells = [cell for cell in results["cells"].values() if cell["kind"] == kind]
        if cells:
            sections.append(f"### {title}\n\n" + table(cells, results))
    if other := disturbed(results):
        sections.append("### Other work on the machine\n\n" + other)
    if left := left_out(results):
        sections.append("### Left out, and added later\n\n" + left)
    return "\n\n".join(sections) + "\n"


def heading(results: dict) -> str:
    if not results["measured"]:
        return "Nothing is measured yet."
    last = results["measured"][-1]
    m, c = last["machine"], last["ceilings"]
    known = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    return (f"{m['processor']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']} {m['kernel']}; "
            f"{c['gflops']:.0f} GFLOP/s of f32 multiply-adds, {c['read_gbs']:.1f} GB/s read; "
            f"{last['when']}, load {last['load']:.2f} before.\n\n{known}.")


def table(head: list[str], rows: list[list]) -> str:
    """Left-aligned first column, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def name(cell: dict) -> str:
    return f"{short(cell['rows'])} x {cell['features']}, k = {cell['k']}"


def number(value: float | None, places: int = 1) -> str:
    """Three digits or more; `-` for what was not seen."""
    if value is None:
        return "-"
    return f"{value:,.{places if value >= 10 else places + 1}f}"


def times(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def passes(cells: list[dict], results: dict) -> str:
    rows = []
    for cell in cells:
        work = 2 * cell["rows"] * cell["features"] * cell["k"]
        read = 4 * cell["rows"] * cell["features"]
        ceilings = results["measured"][cell["measured"]]["ceilings"]
        for engine, r in in_order(cell):
            seconds = r.get("later", r["mean"]) / 1e3
            rows.append([f"{name(cell)}: {SPOKEN[engine]}", number(r.get("first")), number(r.get("later")),
                         number(r["mean"]), times(r["ratio_of_later"] if r.get("later") else None),
                         times(r["ratio_of_means"]), f"{work / seconds / ceilings['gflops'] / 1e7:.0f} %",
                         f"{read / seconds / ceilings['read_gbs'] / 1e7:.0f} %", f"{r['peak_mib']:,.0f}",
                         f"{r['inertia']:.8e}"])
    note = "Milliseconds a pass; ratios to Hyades."
    if not all(cell["every_distance"] for cell in cells):
        note += " **Hyades may have skipped distances: this build cannot be told not to.**"
    head = ["", "first", "later", "mean", "ratio, later", "ratio, mean", "of FMA peak", "of read peak", "MiB",
            "inertia"]
    return note + "\n\n" + table(head, rows)


def convergence(cells: list[dict], _: dict) -> str:
    rows = []
    for cell in cells:
        sklearn = cell["engines"].get("sklearn")
        for engine, r in in_order(cell):
            beside = sklearn and sklearn["ratio_of_seconds"] and r["ratio_of_seconds"] / sklearn["ratio_of_seconds"]
            rows.append([f"{name(cell)}: {SPOKEN[engine]}", number(r["seconds"], 2), f"{r['iterations']:.0f}",
                         times(r["ratio_of_seconds"]), times(beside), f"{r['inertia']:.8e}"])
    head = ["", "seconds", "iterations", "of Hyades' time", "of scikit-learn's", "inertia"]
    fastest = []
    for cell in cells:
        others = [(r["ratio_of_seconds"], SPOKEN[engine]) for engine, r in in_order(cell) if engine != "hyades"]
        if rivals := [(ratio, engine) for ratio, engine in others if ratio]:
            ratio, engine = min(rivals)
            fastest.append(f"- {name(cell)}: the fastest rival is {engine}, {times(ratio)} Hyades' time")
    return table(head, rows) + "\n\n" + "\n".join(fastest)


def in_order(cell: dict):
    return [(engine, cell["engines"][engine]) for engine in ORDER if engine in cell["engines"]]


def whole(cells: list[dict], _: dict) -> str:
    rows = []
    for cell in cells:
        for engine in ("hyades", "polars"):
            if r := cell[engine]:
                rows.append([f"{name(cell)}: {SPOKEN[engine]}", number(r["seconds"], 2), f"{r['passes']:.0f}",
                             f"{r['peak_mib']:,.0f}", f"{r['inertia']:.6e}",
                             times(cell["ratio"] if engine == "polars" else 1.0)])
        rows.append([f"{name(cell)}: DuckDB, scan and sum", number(cell["scan_seconds"], 2), "", "", "",
                     times(1 / cell["over_scan"])])
    return table(["", "seconds", "passes", "MiB", "inertia", "of Hyades' time"], rows)


def decode(cells: list[dict], _: dict) -> str:
    rows = [[f"{short(c['rows'])} x {c['columns']}, {c['types']}, {c['codec']}", f"{c['bytes'] / 2**20:,.0f}",
             number(c["hyades"]["decode"], 2), number(c["hyades"]["prepare"], 2), number(c["hyades"]["seconds"], 2),
             number(c["duckdb"]["seconds"], 2), times(c["hyades_over_duckdb"])] for c in cells]
    head = ["", "file MiB", "decode s", "prepare s", "Hyades s", "DuckDB s", "Hyades / DuckDB"]
    return table(head, rows)


def scaling(cells: list[dict], _: dict) -> str:
    rows, before = [], None
    for cell in sorted(cells, key=lambda c: (c["features"], c["k"], c["rows"])):
        same = before and (before["features"], before["k"]) == (cell["features"], cell["k"])
        step = 1 / log2(cell["rows"] / before["rows"]) if same else None
        doubled = lambda of: times((cell[of] / before[of]) ** step if same else None)
        rows.append([name(cell), number(cell["job_seconds"], 2), doubled("job_seconds"), f"{cell['job_passes']:.0f}",
                     number(cell["later"]), doubled("later"), f"{cell['peak_mib']:,.0f}"])
        before = cell
    head = ["", "whole job s", "a doubling", "passes", "a later pass, ms", "a doubling", "MiB"]
    return table(head, rows)


def streamed(cells: list[dict], _: dict) -> str:
    rows = []
    for cell in cells:
        for how in ("resident", "streamed"):
            r = cell[how]
            ratios = (cell["ratio_of_passes"], cell["ratio_of_jobs"]) if how == "streamed" else (1.0, 1.0)
            rows.append([f"{name(cell)}: {how}, tiles in {'memory' if r['place'] == 'memory' else 'a scratch file'}",
                         number(r["mean"]), times(ratios[0]), number(r["job_seconds"], 2), times(ratios[1]),
                         f"{r['peak_mib']:,.0f}", "yes" if cell["equal_labels"] else "**no**"])
    notes = [f"{name(c)}: tiles of {c['tile_bytes'] / 2**20:,.0f} MiB, a budget of {c['budget'] / 2**20:,.0f} MiB"
             + (", the smallest, which is more than a quarter" if c["budget"] > c["quarter"] else "")
             + ("" if c["streamed"]["place"] != "memory" else ": too small a bank to be streamed") for c in cells]
    head = ["", "a pass, ms", "", "whole job s", "", "MiB", "equal labels"]
    return table(head, rows) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def disturbed(results: dict) -> str:
    """Cells in which other work took more than a twentieth of the processor in some run."""
    worst = {key: max(shares(cell["runs"] if "runs" in cell else cell.get("engines", {})), default=0.0)
             for key, cell in results["cells"].items()}
    lines = [f"- {key}: up to {share:.0%} of all cores in a run" for key, share in worst.items() if share > 0.05]
    return "\n".join(lines)


def shares(node) -> list[float]:
    """Every `others` below a node of the results."""
    if isinstance(node, list):
        return [share for part in node for share in shares(part)]
    if isinstance(node, dict):
        return [node["others"]] if "others" in node and "runs" not in node else shares(list(node.values()))
    return []


def left_out(results: dict) -> str:
    lines = [f"- {key}: {why}" for key, why in results["skipped"].items()]
    for key, cell in results["cells"].items():
        lines += [f"- {key}, {SPOKEN[engine]}: {why}" for engine, why in cell.get("skipped", {}).items()]
        found = cell.get("engines", {})
        lines += [f"- {key}, {SPOKEN[engine]}: measured {r['when']}, its ratios are to Hyades in that run"
                  for engine, r in found.items() if r["measured"] != cell["measured"]]
    return "\n".join(lines)
