"""Makes ready a machine without network: unpacks the kit into a private folder, and finds the GPU's Vulkan driver.

Enters: the kit and the folder. Leaves: the program, the environment for all children, and facts for the results.
Nothing is installed on the machine itself, and what it has of its own comes first.
"""

import json
import lzma
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import child

DRIVERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d",
           "/usr/local/nvidia/share/vulkan/icd.d"]
# The first is what NVIDIA's own file names, and needs libraries of X11; the second is the same driver without them.
LIBRARIES = ["libGLX_nvidia.so.0", "libEGL_nvidia.so.0"]
NVIDIA_LIBRARIES = Path("/usr/local/nvidia/lib64")
X11 = ("libx", "libbsd", "libmd")


class Machine:
    def __init__(self, kit: Path, folder: Path):
        self.kit, self.folder, self.notes = kit, folder, []
        self.env = {**os.environ, "TMPDIR": str(folder), "TRITON_CACHE_DIR": str(folder / "triton"),
                    "PYTHONDONTWRITEBYTECODE": "1"}
        self.env.setdefault("XDG_RUNTIME_DIR", str(folder))

    def make_ready(self) -> None:
        self.add("PYTHONPATH", self.wheels())
        if NVIDIA_LIBRARIES.is_dir():
            self.add("LD_LIBRARY_PATH", NVIDIA_LIBRARIES)
        if not self.loads("libvulkan.so.1"):
            self.add("LD_LIBRARY_PATH", self.unpacked("loader", lambda name: name.startswith("libvulkan")))
            self.notes.append("Vulkan's loader is the kit's" if self.loads("libvulkan.so.1")
                              else "no Vulkan loader: neither the machine's nor the kit's can be loaded")
        if driver := self.driver():
            # The second name is for loaders before 1.3.207.
            self.env["VK_DRIVER_FILES"] = self.env["VK_ICD_FILENAMES"] = str(driver)
            self.notes.append(f"Vulkan's driver: {driver}")
        else:
            self.notes.append("no Vulkan driver of NVIDIA was found; the loader looks for others")

    def program(self) -> Path:
        """The kit's program, which is compressed there."""
        target = self.folder / "hyades"
        if not (self.kit / "hyades.xz").exists():
            raise child.Failed(f"{self.kit / 'hyades.xz'} is missing: make the kit by pack.py, or give --hyades")
        with lzma.open(self.kit / "hyades.xz") as packed, open(target, "wb") as out:
            shutil.copyfileobj(packed, out)
        target.chmod(0o755)
        return target

    def wheels(self) -> Path:
        """All wheels are pure Python, so unpacking them is enough where pip is missing."""
        target, wheels = self.folder / "packages", sorted((self.kit / "wheels").glob("*.whl"))
        if not wheels:
            self.notes.append("the kit has no wheels: rivals are found only if they are installed")
            return target
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--upgrade", "--target",
                   target, *wheels]
        try:
            child.run(install, self.env, 60)
        except child.Failed:
            for wheel in wheels:
                zipfile.ZipFile(wheel).extractall(target)
        return target

    def driver(self) -> Path | None:
        """A file that names a driver that can be loaded: the machine's own, else one written here."""
        named = {}
        for file in (f for place in DRIVERS for f in sorted(Path(place).glob("*nvidia*.json"))):
            try:
                named.setdefault(json.loads(file.read_text())["ICD"]["library_path"], file)
            except (OSError, ValueError, KeyError) as why:
                self.notes.append(f"{file}: {why!r}")
        for library in dict.fromkeys([*named, *LIBRARIES]):
            if self.loads(library):
                return named.get(library) or self.own_driver(library)
        # Without X11 the first library cannot be loaded.
        before = self.env.get("LD_LIBRARY_PATH")
        self.add("LD_LIBRARY_PATH", self.unpacked("x11", lambda name: name.startswith(X11)))
        for library in dict.fromkeys([*named, *LIBRARIES]):
            if self.loads(library):
                self.notes.append("libraries of X11 are the kit's")
                return named.get(library) or self.own_driver(library)
        self.env.pop("LD_LIBRARY_PATH")
        if before is not None:
            self.env["LD_LIBRARY_PATH"] = before
        return None

    def own_driver(self, library: str) -> Path:
        file = self.folder / "nvidia_icd.json"
        file.write_text(json.dumps({"file_format_version": "1.0.0",
                                    "ICD": {"library_path": library, "api_version": "1.3.0"}}))
        return file

    def unpacked(self, name: str, wanted) -> Path:
        """The folder of libraries of some of the kit's packages."""
        target = self.folder / name
        for package in sorted((self.kit / "debs").glob("*.deb")):
            if wanted(package.name):
                child.run(["dpkg", "-x", package, target], self.env, 60)
        return next(target.glob("usr/lib/*-linux-gnu"), target)

    def loads(self, library: str) -> bool:
        program = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
        return child.run([sys.executable, "-c", program, library], self.env, 30, may_fail=True).code == 0

    def add(self, variable: str, folder: Path) -> None:
        """Behind what is there."""
        self.env[variable] = ":".join(filter(None, [self.env.get(variable), str(folder)]))


def facts() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory, 1),
            "kernel": platform.release(), "system": system(), "gpu": nvidia(), "python": platform.python_version(),
            "versions": versions()}


def system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def nvidia() -> str | None:
    """Name, driver, memory, power limit and clocks, in a line."""
    asked = "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem"
    try:
        found = subprocess.run(["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"], capture_output=True,
                               text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def versions() -> dict:
    found = {}
    for name in ("torch", "triton", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found
