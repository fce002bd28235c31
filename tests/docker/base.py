"""The image everything is built on: `debian:bookworm-slim` where a registry can be reached, else one of our own making.

The same packages either way (Debian's minbase). What a machine needs to reach its packages (an authority of its own, pip's
index) goes into that local base alone, never into the project's Dockerfile.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.docker.engine import KEPT, Engine, EngineError, quietly
from tests.rig.asterisk_root import host_mirror

OFFICIAL = "debian:bookworm-slim"
LOCAL = "pbx-bridge-base:local"
SUITE = "bookworm"
PULL_S = 60.0
FRESH_S = 7 * 86_400
"""Older, its packages want updates."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
IN_IMAGE = "/usr/local/share/local-authorities.pem"
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "cert")
OF_THE_MACHINE = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def base_image(engine: Engine) -> str:
    """The name of a base that is there now. Raises: EngineError."""
    settings = pip_settings()
    if not settings:
        try:
            engine.docker("pull", "--quiet", OFFICIAL, within_s=PULL_S)
            return OFFICIAL
        except EngineError:
            pass  # no registry: that is what the local one is for
    _import(engine, settings)
    return LOCAL


def pip_settings() -> dict[str, str]:
    """What pip is told on this machine and would be told in a container of it: environment variables."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = {}
    for line in said.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        words = " ".join(word for word in value.strip("'\"").replace("\\n", " ").split() if _reaches(word))
        if name in PIP_OPTIONS and words:
            found[f"PIP_{name.replace('-', '_').upper()}"] = words
    if "PIP_CERT" in found:
        found["PIP_CERT"] = IN_IMAGE
    return found | {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}


def _reaches(word: str) -> bool:
    """A folder of this machine is none of a container's."""
    return not word.startswith("file:")


def _import(engine: Engine, settings: dict[str, str]) -> None:
    mirror = host_mirror()
    parts = json.dumps([mirror, SUITE, sorted(settings.items())]).encode() + AUTHORITIES.read_bytes()
    digest = hashlib.sha256(parts).hexdigest()[:12]
    tar = KEPT / f"base-{digest}.tar"
    if not tar.exists() or time.time() - tar.stat().st_mtime > FRESH_S:
        for old in KEPT.glob("base-*.tar"):
            old.unlink()
        making = tar.with_suffix(".making.tar")
        quietly(
            "mmdebstrap", "--variant=minbase", f"--customize-hook=upload {AUTHORITIES} {IN_IMAGE}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            SUITE, str(making), mirror,
        )  # fmt: skip
        making.rename(tar)
    label = f"pbx-bridge.base={digest}"
    if engine.docker("images", "--quiet", "--filter", f"label={label}", LOCAL).strip():
        return  # as it was: another import would make every layer anew
    changes = [f"ENV {name}={json.dumps(value)}" for name, value in settings.items()]
    changes += [f"LABEL {label}", 'CMD ["bash"]']
    words = [word for change in changes for word in ("--change", change)]
    engine.docker("import", *words, str(tar), LOCAL)
