"""The business applications of the leak tests: the same blue window with a counter, made by very different programs."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pbx_bridge.wire import ApplicationRule
from tests.rig.desktop import Desktop
from tests.rig.install import SYSTEM_PYTHON, Installed

BLUE = (0x20, 0x40, 0xC0)
PLACE = (100, 100, 480, 360)
"""Where their window opens: left, top, width, height."""
CHROMIUM = Path("/usr/lib/chromium/chromium")
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--password-store=basic",
)
PAGE = b"""<!doctype html><title>Desk</title><style>html{background:#2040c0;color:#fff;font:40px monospace}</style>
<p id=count>0</p><script>let n=0;setInterval(()=>{document.getElementById('count').textContent=++n},50)</script>"""
PRIVATE = b"<!doctype html><title>Private</title><style>html{background:#f00}</style>"
"""What the same browser shows of something else: /red."""


@dataclass(frozen=True, slots=True)
class Application:
    name: str
    rule: ApplicationRule
    command: Sequence[str | Path]
    find: str
    """The class its window is found by."""

    def open(self, desktop: Desktop) -> subprocess.Popen[bytes]:
        return desktop.spawn(self.command, stdin=subprocess.PIPE)


def tk(programs: Path) -> Application:
    rule = ApplicationRule("tk", str(SYSTEM_PYTHON), str(programs / "desk.py"), "Desk", None, None)
    return Application("tk", rule, (SYSTEM_PYTHON, programs / "desk.py"), "Desk")


def xterm(programs: Path) -> Application:
    program = programs / "terminal.sh"
    rule = ApplicationRule("xterm", "/usr/bin/xterm", str(program), "XTerm", None, None)
    look = ("-bg", "#2040c0", "-fg", "white", "-b", "0", "-geometry", "80x27+100+100")
    command: list[str | Path] = ["/usr/bin/xterm", *look, "-e", program]
    return Application("xterm", rule, command, "XTerm")


def bare(programs: Path, installed: Installed) -> Application:
    rule = ApplicationRule("bare", str(SYSTEM_PYTHON), str(programs / "bare.py"), "Bare", None, None)
    command: list[str | Path] = [installed.python, programs / "bare.py", *map(str, PLACE)]
    return Application("bare", rule, command, "Bare")


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PRIVATE if self.path == "/red" else PAGE)

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def chromium(desktop: Desktop) -> Iterator[Application]:
    """Chromium in app mode with a profile of its own, showing a page served here."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = Path(tempfile.mkdtemp(prefix="pbx-bridge-profile-"))
    shutil.chown(profile, desktop.user.pw_uid, desktop.user.pw_gid)
    address = f"http://127.0.0.1:{server.server_port}/"
    x, y, width, height = PLACE
    place = (f"--window-position={x},{y}", f"--window-size={width},{height}")
    rule = ApplicationRule("chromium", str(CHROMIUM), address, "Chromium-browser", None, None)
    command: list[str | Path] = [
        CHROMIUM,
        *CHROMIUM_OPTIONS,
        *place,
        f"--user-data-dir={profile}",
        f"--app={address}",
    ]
    try:
        yield Application("chromium", rule, command, "Chromium-browser")
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(profile, ignore_errors=True)
