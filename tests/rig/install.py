"""Installs the product as a site would: program files owned by root, readable by everyone, away from this clone.

The clone may lie under /root, where the workstation's ordinary user may not even enter, and P3 wants program files that
user cannot write. So the sources are copied, installed by pip into an environment of their own under the cache folder
(named by the hash of what went in; an unchanged tree costs nothing), and the rig's desktop programs are laid beside it.
The libraries come from the environment that runs this; a trainer's machine gets the base install's libraries only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("PBX_BRIDGE_CACHE", "/var/cache/pbx-bridge"))
SOURCES = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE", "pbx_bridge", "workstation_client")
DESKTOP_PROGRAMS = ("business_app.py", "mail_window.py")
BASE_LIBRARIES = ("pycryptodome", "keyring", "platformdirs")
KEPT_S = 2 * 86_400
"""Older installs are removed: nobody runs them any more."""
SYSTEM_PYTHON = Path("/usr/bin/python3").resolve()


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the programs are. All of it is root's."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv/bin/python"

    @property
    def bridge(self) -> Path:
        """The server's and the trainer's command."""
        return self.folder / "venv/bin/pbx-bridge"

    @property
    def client(self) -> Path:
        return self.folder / "venv/bin/workstation-client"

    def program(self, name: str) -> Path:
        """A desktop program of the rig: `business_app.py` or `mail_window.py`, run by SYSTEM_PYTHON."""
        return self.folder / "programs" / name


def install() -> Installed:
    """The product with all its libraries: the server's machine and the workstation."""
    return _install("program", _libraries_of_this_environment)


def install_base() -> Installed:
    """The base install of a trainer's machine: none of the server's or the workstation's libraries can be imported."""
    return _install("trainer", _base_libraries)


def _libraries_of_this_environment(site: Path) -> None:
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")


def _base_libraries(site: Path) -> None:
    for name in _closure(BASE_LIBRARIES):
        library = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in library.files or () if ".." not in file.parts}:
            link, target = site / top, Path(str(library.locate_file(top)))
            if top != "__pycache__" and not link.exists():
                link.symlink_to(target)


def _closure(names: tuple[str, ...]) -> Iterator[str]:
    """These distributions and what they need, without extras, as far as it is there."""
    waiting, seen = list(names), set[str]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python than this one
        if name not in seen:
            seen.add(name)
            yield name
            found = (re.match(r"[\w.-]+", need) for need in needs if "extra ==" not in need)
            waiting += [match.group() for match in found if match]


def _install(kind: str, add_libraries: Callable[[Path], None]) -> Installed:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / f"{kind}-{_fingerprint()}"
        if not (folder / ".complete").exists():
            _forget_old(kind)
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, add_libraries)
            (folder / ".complete").touch()
        os.utime(folder)
        return Installed(folder)


def _make(folder: Path, add_libraries: Callable[[Path], None]) -> None:
    before = os.umask(0o022)
    try:
        venv.create(folder / "venv", symlinks=True)
        site = next((folder / "venv/lib").glob("python3*/site-packages"))
        add_libraries(site)
        with tempfile.TemporaryDirectory(prefix="pbx-bridge-sources-") as copy:
            for path in _files():
                target = Path(copy) / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            (Path(copy) / "README.md").touch()
            _pip_install(copy, folder / "venv/bin/python")
        (folder / "programs").mkdir()
        for name in DESKTOP_PROGRAMS:
            shutil.copyfile(ROOT / "tests/rig" / name, folder / "programs" / name)
    finally:
        os.umask(before)


def _pip_install(copy: str, python: Path) -> None:
    """By this environment's pip and setuptools, which need no network for it."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--disable-pip-version-check", copy]
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"pip could not install the product:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _files() -> list[Path]:
    found = []
    for name in SOURCES:
        path = ROOT / name
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if file.is_file() and file.suffix != ".pyc"]
    return found


def _fingerprint() -> str:
    """Of every file that goes in, its name included, and of the libraries' place."""
    hashed = hashlib.sha256(sysconfig.get_path("purelib").encode())
    for path in [*_files(), *(ROOT / "tests/rig" / name for name in DESKTOP_PROGRAMS), Path(__file__)]:
        content = path.read_bytes()
        hashed.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()[:12]


def _forget_old(kind: str) -> None:
    for old in CACHE.glob(f"{kind}-*"):
        if old.is_dir() and time.time() - old.stat().st_mtime > KEPT_S:
            shutil.rmtree(old, ignore_errors=True)
