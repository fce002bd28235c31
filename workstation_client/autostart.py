"""Starts the client at login: a systemd --user unit on graphical-session.target, XDG autostart where there is none.

Desktops differ: GNOME and Plasma reach graphical-session.target, Xfce and plain window managers on Debian 12 do not, and
over SSH nobody can tell. Where it is not certain both are installed; the client runs once for each user whoever starts it
(control.OneInstance). It writes two small files of the user's own and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import platformdirs

from pbx_bridge.errors import OperatorError

UNIT: Final = "pbx-bridge-workstation.service"
DESKTOP_FILE: Final = "pbx-bridge-workstation.desktop"
_TARGET: Final = "graphical-session.target"
_ASK_S: Final = 10.0
_UNQUOTABLE: Final = frozenset("\"'\\$%`\n\t")
"""systemd.service(5) and the Desktop Entry Specification quote these differently, or not at all in a program's path."""


class Kind(Enum):
    SYSTEMD = "systemd"
    XDG = "xdg"


@dataclass(frozen=True, slots=True)
class Installed:
    """One way the client is started at login."""

    kind: Kind
    path: Path


def install(kinds: tuple[Kind, ...] | None = None) -> list[Installed]:
    """Installs what fits this desktop, or `kinds`. Raises: OperatorError."""
    command = _command()
    chosen = kinds or _fitting()
    try:
        if Kind.SYSTEMD in chosen:
            _write(_unit_path(), unit_text(command))
            link = _wants_path()
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(_unit_path())
            _systemctl("daemon-reload")
        if Kind.XDG in chosen:
            _write(_desktop_path(), desktop_text(command))
    except OSError as error:
        raise OperatorError(
            f"the autostart cannot be written ({error.strerror})",
            where=str(error.filename),
            do="Make the folder writable",
        ) from None
    return status()


def remove() -> list[Installed]:
    """Removes whatever is installed; says what it was. A client that runs goes on to the session's end."""
    there = status()
    for path in (_wants_path(), _unit_path(), _desktop_path()):
        path.unlink(missing_ok=True)
    if any(i.kind is Kind.SYSTEMD for i in there):
        _systemctl("daemon-reload")
    return there


def status() -> list[Installed]:
    """What is installed."""
    found = []
    if _unit_path().exists() and _wants_path().is_symlink():
        found.append(Installed(Kind.SYSTEMD, _unit_path()))
    if _desktop_path().exists():
        found.append(Installed(Kind.XDG, _desktop_path()))
    return found


def unit_text(command: list[str]) -> str:
    """systemd.service(5). MemorySwapMax=0: no picture reaches a swap (P17, pbx_bridge/memory.py)."""
    return f"""\
# Written by `workstation-client autostart install`; `autostart remove` takes it away.
[Unit]
Description=Training recordings on this desktop (pbx-bridge)
PartOf={_TARGET}
After={_TARGET}

[Service]
ExecStart={" ".join(_word(w) for w in command)}
Restart=on-failure
RestartSec=2
# 2: not enrolled, or set up wrongly: starting again mends nothing.
RestartPreventExitStatus=2
TimeoutStopSec=10
LimitCORE=0
MemorySwapMax=0
NoNewPrivileges=yes

[Install]
WantedBy={_TARGET}
"""


def desktop_text(command: list[str]) -> str:
    """Desktop Entry Specification 1.5 and Desktop Application Autostart Specification 0.5."""
    return f"""\
[Desktop Entry]
Type=Application
Version=1.5
Name=Training recordings
Name[fr]=Enregistrements de formation
Comment=Records the window you are trained on, during calls drawn for training
Comment[fr]=Enregistre la fenêtre de votre formation pendant les appels tirés au sort
Exec={" ".join(_word(w) for w in command)}
Terminal=false
NoDisplay=true
X-GNOME-Autostart-enabled=true
"""


def _command() -> list[str]:
    """This very client, wherever it is installed."""
    program = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "workstation-client" else None
    if program is None:
        beside = Path(sys.executable).with_name("workstation-client")
        program = str(beside) if beside.exists() else None
    start = [os.path.abspath(program)] if program else [sys.executable, "-m", "workstation_client"]
    if strange := set(start[0]) & _UNQUOTABLE:
        raise OperatorError(
            f"its path contains {' '.join(sorted(strange))}, which no autostart file can hold",
            where=start[0],
            do="Install the client somewhere else",
        )
    return [*start, "run"]


def _word(word: str) -> str:
    """Quoted where it must be; the same in systemd.service(5) and in the Desktop Entry Specification."""
    return f'"{word}"' if " " in word else word


def _fitting() -> tuple[Kind, ...]:
    if not _systemctl("show-environment"):
        return (Kind.XDG,)
    return (Kind.SYSTEMD,) if _systemctl("is-active", _TARGET) else (Kind.SYSTEMD, Kind.XDG)


def _systemctl(*words: str) -> bool:
    """Whether `systemctl --user WORDS` succeeded; False where there is no such manager."""
    program = shutil.which("systemctl")
    if program is None:
        return False
    try:
        done = subprocess.run([program, "--user", *words], capture_output=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _unit_path() -> Path:
    return platformdirs.user_config_path("systemd") / "user" / UNIT


def _wants_path() -> Path:
    return _unit_path().parent / f"{_TARGET}.wants" / UNIT


def _desktop_path() -> Path:
    return platformdirs.user_config_path("autostart") / DESKTOP_FILE


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
