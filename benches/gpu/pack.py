"""Makes the kit: all that a machine with a GPU and without network needs beside this folder.

    python3 benches/gpu/pack.py --kit kit [--hyades target/release/hyades]

Enters: the built program; needs a network, Debian or Ubuntu (apt-get), pip and strip. Leaves: the folder, with the
program without symbols and compressed, the Vulkan loader with the libraries of X11 that NVIDIA's driver links, the
rivals' wheels, and `kit.json`, which says what each file is.
"""

import argparse
import hashlib
import json
import lzma
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOADER = ["libvulkan1"]
# What libGLX_nvidia.so.0 needs and a machine without a screen may lack.
X11 = ["libx11-6", "libxext6", "libxcb1", "libxau6", "libxdmcp6", "libbsd0", "libmd0"]


def program(source: Path, kit: Path) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "hyades"
        shutil.copy(source, bare)
        subprocess.run(["strip", bare], check=True)
        bytes_ = bare.read_bytes()
        (kit / "hyades.xz").write_bytes(lzma.compress(bytes_))
        said = subprocess.run([bare, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"version": said, "bytes": len(bytes_), "blake2b": hashlib.blake2b(bytes_).hexdigest(),
            "needs_glibc": glibc(bytes_)}


def glibc(program: bytes) -> str:
    """The newest version of the C library that a program asks for."""
    found = {tuple(map(int, pair)) for pair in re.findall(rb"GLIBC_(\d+)\.(\d+)", program)}
    return ".".join(map(str, max(found, default=(0,))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kit", type=Path, required=True, help="the folder to make; replaced if it is a kit")
    parser.add_argument("--hyades", type=Path, default=Path("target/release/hyades"),
                        help="the program (default target/release/hyades)")
    given = parser.parse_args()
    if not given.hyades.is_file():
        parser.error(f"{given.hyades} is not there: cargo build --release, or give --hyades")
    if given.kit.exists():
        if any(given.kit.iterdir()) and not (given.kit / "kit.json").exists():
            parser.error(f"{given.kit} is no kit and not empty")
        shutil.rmtree(given.kit)
    for part in ("debs", "wheels"):
        (given.kit / part).mkdir(parents=True)
    about = {"hyades": program(given.hyades, given.kit)}
    subprocess.run(["apt-get", "-q", "download", *LOADER, *X11], cwd=given.kit / "debs", check=True)
    for package in (given.kit / "debs").iterdir():
        # Names with a version may hold characters that not every way to carry files lets pass.
        package.rename(package.with_name(package.name.partition("_")[0] + ".deb"))
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--dest",
                    given.kit / "wheels", "-r", HERE / "requirements.txt"], check=True)
    files = sorted(path for path in given.kit.rglob("*") if path.is_file())
    about["files"] = {str(path.relative_to(given.kit)): path.stat().st_size for path in files}
    (given.kit / "kit.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"{given.kit}: {sum(about['files'].values()) / 1e6:.1f} MB in {len(files)} files; "
          f"{about['hyades']['version']}, needs glibc {about['hyades']['needs_glibc']}")


if __name__ == "__main__":
    main()
