"""The operating system's session this client runs in: active or not, locked or not, and whose pictures it has.

logind is asked where there is one (`loginctl show-session`). RDP, VDI, x2go and SSH sessions are sessions like any other;
one whose owner has disconnected counts as locked: xrdp is known by the connection to its display's socket (xorgxrdp,
rdpClientCon.c), x2go by its state file (X2Go::Server::Agent::NX). Without logind an X display that answers counts as
active, and as unlocked unless a screensaver says otherwise (xscreensaver's property, MIT-SCREEN-SAVER). Lockers that tell
nobody (slock, i3lock without xss-lock) are not seen: docs/workstation.md says so. It reads; it never decides.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import xcffib
import xcffib.screensaver
import xcffib.xproto

from pbx_bridge.wire import Desktop, DesktopKind
from workstation_client.screen_saver import saves

_ASK_S: Final = 2.0
_PROPERTIES: Final = ("Active", "Remote", "Type", "State", "LockedHint")
_GONE_AFTER: Final = 2
"""Readings without an answer that make a logout: one may be a server that is busy."""
_X2GO_CONNECTED: Final = {"STARTING", "RESUMING", "RUNNING"}


class DesktopSession:
    """Reads the session's state again and again; keeps one connection to the display."""

    def __init__(self, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> None:
        self._environment, self._root = environment, root
        self._display: Any = None
        self._answered = False
        self._silent = 0

    @property
    def is_over(self) -> bool:
        """The display that once answered does so no longer: the person has logged out."""
        return self._answered and self._silent >= _GONE_AFTER

    def read(self) -> Desktop:
        """The present state. What cannot be read counts as inactive (P10)."""
        facts = _ask_logind(self._environment, self._root)
        kind = kind_of(self._environment, facts)
        saver_on = self._saver_on() if kind in (DesktopKind.X11, DesktopKind.REMOTE_X11) else False
        away = is_disconnected(self._environment, self._root)
        return judge(kind, facts, saver_on=saver_on, away=away)

    def _saver_on(self) -> bool | None:
        """Whether the screen is saved or locked; None when the display does not answer."""
        try:
            if self._display is None:
                self._display = xcffib.connect(self._environment.get("DISPLAY"))
            found = _screensaver_on(self._display)
        except (xcffib.ConnectionException, xcffib.XcffibException, OSError):
            self._display = None
            self._silent += 1
            return None
        self._answered, self._silent = True, 0
        return found


def judge(
    kind: DesktopKind, facts: Mapping[str, str] | None, *, saver_on: bool | None, away: bool
) -> Desktop:
    """What logind's facts (None: no logind), screensaver (None: no answer) and connection make together."""
    reachable = kind in (DesktopKind.X11, DesktopKind.REMOTE_X11) and saver_on is not None
    locked = bool(saver_on) or away
    if facts is None:
        return Desktop(active=reachable, locked=locked, kind=kind)
    active = reachable and facts.get("Active") == "yes" and facts.get("State") != "closing"
    return Desktop(active=active, locked=locked or facts.get("LockedHint") == "yes", kind=kind)


def kind_of(environment: Mapping[str, str], facts: Mapping[str, str] | None) -> DesktopKind:
    """Under Wayland an X display may exist too (Xwayland): it shows only some windows, and Wayland is what counts."""
    said = (facts or {}).get("Type") or environment.get("XDG_SESSION_TYPE", "")
    if said == "wayland" or environment.get("WAYLAND_DISPLAY"):
        return DesktopKind.WAYLAND
    if not environment.get("DISPLAY"):
        return DesktopKind.NONE
    remote = (facts or {}).get("Remote") == "yes" or any(
        environment.get(name) for name in ("SSH_CONNECTION", "XRDP_SESSION", "X2GO_SESSION", "VNCDESKTOP")
    )
    return DesktopKind.REMOTE_X11 if remote else DesktopKind.X11


def is_disconnected(environment: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether a remote session goes on without anybody at the other end. Unreadable counts as disconnected."""
    if environment.get("XRDP_SESSION"):
        return not _xrdp_connected(environment.get("DISPLAY", ""), root)
    if session := environment.get("X2GO_SESSION"):
        user = environment.get("USER") or getpass.getuser()
        path = root / "tmp" / f".x2go-{user}" / f"C-{session}" / "state"
        try:
            return path.read_text()[:40].strip() not in _X2GO_CONNECTED
        except OSError:
            return True
    return False


def _xrdp_connected(display: str, root: Path) -> bool:
    number = re.search(r":([0-9]+)", display)
    if not number:
        return False
    try:
        lines = (root / "proc/net/unix").read_text().splitlines()[1:]
    except OSError:
        return False
    # Num RefCount Protocol Flags Type St Inode Path; St 03 is connected (the accepted end keeps the path).
    return any(
        len(parts) == 8 and parts[5] == "03" and parts[7].endswith(f"/xrdp_display_{number[1]}")
        for parts in (line.split() for line in lines)
    )


def _ask_logind(environment: Mapping[str, str], root: Path) -> dict[str, str] | None:
    """The session's properties; None where there is no logind. Without an answer: no properties, so inactive."""
    program = shutil.which("loginctl")
    if not program or not (root / "run/systemd/sessions").is_dir():
        return None
    session = environment.get("XDG_SESSION_ID")
    if not session:
        # A systemd --user unit belongs to no session of its own: the user's graphical one is meant.
        shown = _loginctl(program, "show-user", str(os.getuid()), "--property=Display")
        session = shown.get("Display")
        if not session:
            # logind runs, but not for this session (a nested or test display): as without logind.
            return None if not shown else {}
    return _loginctl(program, "show-session", session, *(f"--property={p}" for p in _PROPERTIES))


def _loginctl(*words: str) -> dict[str, str]:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _screensaver_on(display: Any) -> bool:
    root = display.get_setup().roots[0].root
    if _xscreensaver_on(display, root):
        return True
    if not display.core.QueryExtension(len("MIT-SCREEN-SAVER"), "MIT-SCREEN-SAVER").reply().present:
        return False
    saver = display(xcffib.screensaver.key)
    return saves(saver.QueryInfo(root).reply())


def _xscreensaver_on(display: Any, root: int) -> bool:
    """xscreensaver(1): the first value of _SCREENSAVER_STATUS on the root is 0 unless it blanks or locks."""
    name = "_SCREENSAVER_STATUS"
    atom = display.core.InternAtom(True, len(name), name).reply().atom
    if not atom:
        return False
    found = display.core.GetProperty(False, root, atom, xcffib.xproto.GetPropertyType.Any, 0, 4).reply()
    return bool(found.format == 32 and found.value_len > 0 and found.value.to_atoms()[0] != 0)
