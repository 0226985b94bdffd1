"""Markdown of the results. Enters: the JSON of a run. Leaves: text; nothing is measured here."""

import hyades
from cells import Cell, ceilings, floors, spoken

SPOKEN = {"flash": "flash-kmeans", "torch": "PyTorch", "fastkmeans": "fastkmeans"}


def markdown(results: dict) -> str:
    sections = [heading(results), checks(results)]
    if results["cells"]:
        sections += ["### Full passes\n\n" + passes(results), "### The whole job\n\n" + jobs(results)]
    for title, text in (("Kernels", kernels(results)), ("The rivals' labels", labels(results)),
                        ("Skipped", skipped(results))):
        if text:
            sections.append(f"### {title}\n\n{text}")
    return "\n\n".join(sections) + "\n"


def heading(results: dict) -> str:
    m = results["machine"]
    if not m:
        return "Nothing is measured yet."
    known = ", ".join(f"{name} {version}" for name, version in {"Hyades": m["hyades"], **m["versions"]}.items())
    devices = "; ".join(device["details"] for device in m["doctor"]["devices"]) or "none"
    parts = [f"{m['gpu'] or 'no NVIDIA GPU'}; {m['processor']}, {m['cores']} cores, {m['memory_gib']} GiB, "
             f"{m['system']}, kernel {m['kernel']}. {known}, Python {m['python']}. Hyades' devices: {devices}.",
             f"{results['when']}, {results['seconds']:.0f} s of {results['limit_s']:.0f}; "
             f"{results['passes']} full passes, Hyades the fastest of {results['repeat']} fits."]
    if results["rows_factor"] != 1:
        parts.append(f"**A trial: all cells with {results['rows_factor']:g} times their rows.**")
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in m["notes"])])


def checks(results: dict) -> str:
    lines = [f"- {spoken(c['rows'], c['features'], c['k'])}: "
             + ("the same labels and model" if c["agree"] else "**DIFFERENT LABELS OR MODELS**")
             for c in results["checks"].values()]
    lines += [f"- {spoken(c['rows'], c['features'], c['k'])}, all rows: "
              + ("the same labels and model" if c["agree"] else "**DIFFERENT LABELS OR MODELS**")
              for c in results["cells"].values() if "agree" in c]
    return "### GPU and CPU\n\n" + ("\n".join(lines) or "Not compared.")


def passes(results: dict) -> str:
    """Hyades' passes, what they could take at least, and the rivals'."""
    rows, sources = [], {}
    for cell in results["cells"].values():
        run, name = of(cell["hyades"]), spoken(cell["rows"], cell["features"], cell["k"])
        measured = ceilings(run, cell["rivals"])
        if measured:
            sources[name] = f"{measured['copy_gbs']:,.0f} GB/s copied, {measured['gflops']:,.0f} GFLOP/s " \
                            f"by {measured['by']}"
        memory, arithmetic = floors(Cell(cell["rows"], cell["features"], cell["k"]), measured)
        later = run and run["pass_ms"]
        cpu = of(cell["cpu"])
        row = [name, number(run and run["passes"][0]["seconds"] * 1e3), number(later), number(memory),
               number(arithmetic), times(later, memory and max(memory, arithmetic)), number(cpu and cpu["pass_ms"])]
        for rival in SPOKEN:
            found = cell["rivals"].get(rival, {})
            ms = found.get("median_ms")
            row += ["failed" if "failed" in found else number(ms), times(ms, later)]
        rows.append(row)
    head = ["", "first", "later", "memory floor", "arithmetic floor", "later / floor", "CPU, later"]
    head += [part for name in SPOKEN.values() for part in (name, "ratio")]
    note = ("Milliseconds a pass; ratios of rivals are to Hyades' later pass. Hyades computes every distance of its "
            "bank in every pass; rivals get values of the same shape. Memory floor: every value read once at the speed "
            "of a copy. Arithmetic floor: two operations a distance and value.")
    return "\n\n".join(filter(None, [note, table(head, rows), "\n".join(f"- {n}: {s}" for n, s in sources.items())]))


def jobs(results: dict) -> str:
    rows = []
    for cell in results["cells"].values():
        for where, bench in (("GPU", cell["hyades"]), ("CPU", cell["cpu"])):
            if not (run := of(bench)):
                continue
            stages, decode, bus = hyades.stages(run), hyades.decoding(run), run.get("bus") or {}
            gigabytes = lambda name: number(bus[name] / 1e9) if bus.get(name) is not None else "-"
            cost = run.get("cost_per_million")
            rows.append([f"{spoken(cell['rows'], cell['features'], cell['k'])}: {where}", number(run["seconds"]),
                         number(decode), times(run["seconds"], decode), number(stages.get("upload")),
                         number(stages.get("passes")), number(sum(stages.get(s, 0.0) for s in ("labels", "write"))),
                         gigabytes("to_device"), gigabytes("from_device"), "-" if cost is None else f"{cost:.2g}"])
    head = ["", "whole job s", "decode s", "whole / decode", "upload s", "passes s", "labels, write s", "GB to GPU",
            "GB back", "cost a million rows"]
    note = "Parquet to labelled Parquet. Decode: from opening the file to prepared tiles."
    return note + "\n\n" + table(head, rows)


def kernels(results: dict) -> str:
    rows = []
    for cell in results["cells"].values():
        run = of(cell["hyades"]) or {}
        measured = ceilings(run, cell["rivals"])
        for kernel in run.get("kernels") or []:
            seconds = kernel["seconds"]
            speed = lambda what: kernel[what] / seconds / 1e9 if seconds else None
            share = lambda what, most: percent(speed(what), measured and measured[most])
            rows.append([f"{spoken(cell['rows'], cell['features'], cell['k'])}: {kernel['kernel']}",
                         f"{kernel['dispatches']:,}", number(seconds * 1e3), number(speed("bytes")),
                         share("bytes", "copy_gbs"), number(speed("operations")), share("operations", "gflops")])
    head = ["", "dispatches", "ms in all", "GB/s", "of a copy", "GFLOP/s", "of peak"]
    return table(head, rows) if rows else ""


def labels(results: dict) -> str:
    rows = []
    for cell in results["cells"].values():
        for name, found in cell["rivals"].items():
            if "failed" not in found:
                how = found["precision"] + (f"; sums by {found['sums']}" if "sums" in found else "")
                rows.append([f"{spoken(cell['rows'], cell['features'], cell['k'])}: {SPOKEN[name]} {found['version']}",
                             how, f"{found['labels_differ']:.1e}" if found["labels_differ"] else "none",
                             f"{found['labels_compared']:,}"])
    note = "The share of labels of the first pass that are not those of float64, on the rivals' own values."
    return note + "\n\n" + table(["", "arithmetic", "labels that differ", "compared"], rows) if rows else ""


def skipped(results: dict) -> str:
    lines = [f"- {one['what']}: {one['why']}" for one in results["skipped"]]
    return "\n".join(lines + [f"- {one['what']}: **failed**: {one['why']}" for one in results["failed"]])


def of(bench: dict | None) -> dict | None:
    """The one run of a bench."""
    return bench["runs"][0] if bench else None


def table(head: list[str], rows: list[list]) -> str:
    """Left-aligned first column, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def number(value: float | None) -> str:
    """Three digits or more; `-` for what was not seen."""
    if value is None:
        return "-"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def times(value: float | None, of: float | None) -> str:
    if not value or not of:
        return "-"
    return f"{value / of:.1f}x" if value >= 2 * of else f"{value / of:.2f}x"


def percent(value: float | None, of: float | None) -> str:
    return f"{value / of:.0%}" if value is not None and of else "-"
