"""Looks at everything a recording needs on this desktop and says what is missing and what to do. It changes nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pbx_bridge import memory
from pbx_bridge.errors import OperatorError
from pbx_bridge.programs import rule_fault
from pbx_bridge.wire import DesktopKind
from workstation_client import autostart, control, identity, notice
from workstation_client.capture.base import CaptureUnavailable
from workstation_client.client import WAYLAND_ADVICE
from workstation_client.desktop_session import DesktopSession
from workstation_client.link import tls_context
from workstation_client.speech import say

_REACH_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    good: bool
    what: str


def examine(folder: Path) -> list[Finding]:
    """Everything, in the order in which it is needed."""
    return list(_examine(folder))


def _examine(folder: Path) -> Iterator[Finding]:
    found: identity.Identity | None = None
    try:
        found = identity.load(folder)
        yield Finding("enrolment", True, f"{found.station} @ {found.url}")
    except OperatorError as error:
        yield Finding("enrolment", False, str(error))
    if found:
        yield _look("bridge", lambda: _reach(found))
        known = notice.load(folder, found.seed)
        if known is None:
            yield Finding("notice", False, say("Read and acknowledge it: workstation-client notice show"))
        else:
            yield Finding("notice", True, say("acknowledged"))
            for rule in known.notice.applications:
                fault = rule_fault(rule)
                yield Finding(f"application {rule.name}", fault is None, fault or rule.executable)
    yield _session()
    yield _look("display", _display)
    yield _look("memory", memory.keep_off_swap)
    ways = autostart.status()
    yield Finding(
        "autostart",
        bool(ways),
        ", ".join(w.kind.value for w in ways) or say("Install it: workstation-client autostart install"),
    )
    yield _look("client", _client)


def _look(name: str, what: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, what())
    except (OperatorError, CaptureUnavailable) as error:
        return Finding(name, False, str(error))


def _reach(found: identity.Identity) -> str:
    parts = urlsplit(found.url)
    address = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(address, _REACH_S) as plain,
            tls_context(found.ca_pem).wrap_socket(plain, server_hostname=parts.hostname) as tls,
        ):
            return f"{found.url}, {tls.version()}"
    except ssl.SSLCertVerificationError as error:
        raise OperatorError(
            f"its certificate does not fit ({error.verify_message})",
            where=found.url,
            do="Is this workstation's clock right? Else ask the administrator",
        ) from None
    except OSError as error:
        raise OperatorError(
            f"it cannot be reached ({error})", where=found.url, do="Check network, firewall and port"
        ) from None


def _session() -> Finding:
    desktop = DesktopSession().read()
    if desktop.kind is DesktopKind.WAYLAND:
        return Finding("session", False, say(WAYLAND_ADVICE))
    if desktop.kind is DesktopKind.NONE:
        return Finding("session", False, say("There is no graphical session here (DISPLAY is not set)"))
    state = "locked" if desktop.locked else "active" if desktop.active else "not active"
    return Finding("session", desktop.active, f"{desktop.kind.value}, {state}")


def _display() -> str:
    from workstation_client.capture.x11_display import Display

    display = Display(None)
    display.close()
    return say("every extension that is needed is there")


def _client() -> str:
    answer = control.ask(control.runtime_dir() / "client.sock", {"do": "status"})
    if not answer["lease"]:
        raise OperatorError(f"it runs, but has no lease of the bridge ({answer['link']})")
    return str(answer["link"])
