"""One rival on one cell, in a process of its own: so many full passes over values that lie on the GPU.

    python rivals.py NAME ROWS FEATURES K PASSES DEVICE

NAME is `flash`, `torch` or `fastkmeans`, DEVICE what torch calls it (`cuda`, or `cpu` to try). Leaves: one line of
JSON, with milliseconds of every pass and the share of labels that differ from those of float64.

Values are made on the device by torch, the same for all rivals: as many segments as the bank of the cell has, of which
the first holds half of the rows, float32. Reading 50 million rows of Parquet into torch would take longer than all
passes. All start at the same rows, and nothing ends early.
"""

import contextlib
import io
import json
import re
import sys
import time
from importlib import metadata

import torch

SEGMENTS = 16
# Rows made, or compared with float64, at a time.
BLOCK = 1 << 20
# Rows whose labels are compared.
SAMPLE = 1_000_000
# Distances that plain torch holds at a time: 1 GiB.
SCORES = 1 << 28


class Watch:
    """Marks on the device's own clock, so that marking makes nobody wait."""

    def __init__(self, device: torch.device):
        self.cuda, self.marks = device.type == "cuda", []

    def mark(self) -> None:
        if self.cuda:
            self.marks.append(torch.cuda.Event(enable_timing=True))
            self.marks[-1].record()
        else:
            self.marks.append(time.perf_counter())

    def each_ms(self) -> list[float]:
        """Between one mark and the next."""
        pairs = list(zip(self.marks, self.marks[1:]))
        if self.cuda:
            torch.cuda.synchronize()
            return [a.elapsed_time(b) for a, b in pairs]
        return [(b - a) * 1e3 for a, b in pairs]


def bank(rows: int, features: int, device: torch.device) -> torch.Tensor:
    draw = torch.Generator(device=device).manual_seed(1)
    centers = 2.0 * torch.randn(SEGMENTS, features, generator=draw, device=device)
    values = torch.empty(rows, features, device=device)
    for part in values.split(BLOCK):
        part.normal_(generator=draw)
        where = torch.rand(len(part), generator=draw, device=device)
        part += centers[((where - 0.5) * 2 * (SEGMENTS - 1) + 1).floor().clamp(min=0).long()]
    return values


def exact(values: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    """Labels in float64."""
    centers = centers.double()
    norms = centers.square().sum(1)
    blocks = values.split(max(1024, BLOCK * 64 // len(centers)))
    return torch.cat([torch.addmm(norms, b.double(), centers.T, alpha=-2).argmin(1) for b in blocks])


def flash(values: torch.Tensor, at: torch.Tensor, passes: int, watch: Watch) -> dict:
    """The function that makes a pass is wrapped; requirements.txt pins the version."""
    if not watch.cuda:
        raise SystemExit("flash-kmeans needs CUDA")
    from flash_kmeans import kmeans_triton_impl as implementation

    starts = values[at][None]
    fit = lambda n: implementation.batch_kmeans_Euclid(values[None], len(at), max_iters=n, tol=-1.0,
                                                       init_centroids=starts)
    # The first call compiles, for this number of rows.
    labels, _, _ = fit(1)
    one_pass = implementation._euclid_iter_compiled

    def watched(*arguments, **options):
        watch.mark()
        return one_pass(*arguments, **options)

    implementation._euclid_iter_compiled = watched
    fit(passes)
    watch.mark()
    return {"labels": labels[0], "precision": "float32, products in TF32",
            "version": metadata.version("flash-kmeans")}


def plain(values: torch.Tensor, at: torch.Tensor, passes: int, watch: Watch) -> dict:
    """PyTorch as one would write it: a product, argmin, and sums by whichever of two ways is the faster here."""
    k, numbers = len(at), torch.arange(len(at), device=values.device)
    blocks = values.split(max(1024, SCORES // k))

    def nearest(block, centers, norms):
        return torch.addmm(norms, block, centers.T, alpha=-2).argmin(1)

    def by_index(block, labels, sums, counts):
        sums.index_add_(0, labels, block)
        counts.index_add_(0, labels, torch.ones_like(labels, dtype=counts.dtype))

    def by_product(block, labels, sums, counts):
        members = (labels[:, None] == numbers).float()
        sums.addmm_(members.T, block)
        counts += members.sum(0)

    def one_pass(centers, add):
        norms, sums = centers.square().sum(1), torch.zeros_like(centers)
        counts = torch.zeros(k, device=values.device)
        for block in blocks:
            add(block, nearest(block, centers, norms), sums, counts)
        return torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centers)

    starts = values[at]
    taken = {}
    for add in (by_index, by_product):
        one_pass(starts, add)
        tried = Watch(values.device)
        tried.mark()
        one_pass(starts, add)
        tried.mark()
        taken[add] = tried.each_ms()[0]
    add, centers = min(taken, key=taken.get), starts
    watch.mark()
    for _ in range(passes):
        centers = one_pass(centers, add)
        watch.mark()
    norms = starts.square().sum(1)
    labels = torch.cat([nearest(block, starts, norms) for block in values[:SAMPLE].split(max(1024, SCORES // k))])
    return {"labels": labels, "precision": "float32, TF32 off", "version": torch.__version__,
            "sums": {"by_index": "index_add_", "by_product": "product with the memberships"}[add.__name__]}


def fastkmeans(values: torch.Tensor, at: torch.Tensor, passes: int, watch: Watch) -> dict:
    """Its own loop with its defaults, but with the values on the GPU: its class takes them from the host in every pass.
    It shows the time of a pass only by printing it, and takes no centroids, so its draw of rows is replaced."""
    from fastkmeans import kmeans

    torch.randperm = lambda *_, **__: at.cpu()
    norms = torch.cat([part.square().sum(1) for part in values.split(BLOCK)])
    defaults = kmeans.FastKMeans(values.shape[1], len(at), device=values.device)

    def fit(most):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            _, labels = kmeans._kmeans_torch_double_chunked(
                values, norms, len(at), values.device, dtype=defaults.dtype, max_iters=most, tol=-1.0,
                chunk_size_data=defaults.chunk_size_data, chunk_size_centroids=defaults.chunk_size_centroids,
                max_points_per_centroid=defaults.max_points_per_centroid, verbose=True,
                use_triton=defaults.use_triton)
        return labels, [float(seconds) * 1e3 for seconds in re.findall(r"took ([\d.]+)s", said.getvalue())]

    labels, _ = fit(1)
    _, each = fit(passes)
    return {"labels": labels.to(values.device), "passes_ms": each, "version": metadata.version("fastkmeans"),
            "precision": "float16" if watch.cuda else "float32"}


def ceilings(device: torch.device) -> dict:
    """A copy (bytes read and written) and a product of float32 matrices: the best of five."""
    small = device.type == "cpu"
    source = torch.zeros(1 << (22 if small else 29), device=device)
    target, side = torch.empty_like(source), 512 if small else 8192
    matrix = torch.randn(side, side, device=device)

    def best(work) -> float:
        watch = Watch(device)
        work()
        for _ in range(6):
            watch.mark()
            work()
        return min(watch.each_ms()) / 1e3

    return {"copy_gbs": 8 * source.numel() / best(lambda: target.copy_(source)) / 1e9,
            "gflops": 2 * side**3 / best(lambda: matrix @ matrix) / 1e9}


def main() -> None:
    name, *numbers, wanted = sys.argv[1:]
    rows, features, k, passes = map(int, numbers)
    device = torch.device(wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    # The default; flash-kmeans takes no notice of it.
    torch.backends.cuda.matmul.allow_tf32 = False
    measured = ceilings(device) if name == "torch" else None
    values, watch = bank(rows, features, device), Watch(device)
    at = torch.linspace(0, rows - 1, k, dtype=torch.float64).long().to(device)
    with torch.no_grad():
        result = {"flash": flash, "torch": plain, "fastkmeans": fastkmeans}[name](values, at, passes, watch)
        right = exact(values[:SAMPLE], values[at])
    result.setdefault("passes_ms", watch.each_ms())
    different = (result.pop("labels")[:SAMPLE] != right).double().mean().item()
    result |= {"labels_differ": different, "labels_compared": len(right), "median_ms": median(result["passes_ms"])}
    if measured:
        result["ceilings"] = measured
    print(json.dumps(result))


def median(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


if __name__ == "__main__":
    main()
