"""Playing: decrypts in memory and shows the video to a browser on this machine, by ranges, so that seeking is cheap.

The little server listens on loopback only, under a random path, and answers to its own Host name only (so that no web
page can reach it by a name of its own). `no-store` keeps browsers from writing the video to their cache, and a first
answer of its own keeps Firefox from writing it to a temporary file (P17). There is no still, poster or thumbnail (P1). A
chunk that is not authentic ends the picture and is said aloud: a player alone would just stall. It never decides who may
watch; what it plays was released before.
"""

from __future__ import annotations

import hmac
import html
import re
import secrets
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from pbx_bridge.age import AgeError, Reader
from pbx_bridge.trainer.bridge import BridgeError

READ_BYTES: Final = 256 * 1024
IN_MEMORY: Final = 8 << 20
"""P17: Firefox keeps as much of what it plays in its memory; when the first answer says that all of it has more, it lays
all of it into a temporary file, in clear (measured; portal/web/static/player.js has the same). The true length comes with
the second answer, and holds."""
SHORT: Final = 4_096
"""Of that first answer: no picture is there before the second."""
ENDS_WITHIN_S: Final = 1.0
_RANGE: Final = re.compile(r"bytes=([0-9]{1,13})-([0-9]{0,13})\Z")
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Training recording</title>
<style nonce="{nonce}">body{{margin:0;background:#222;color:#eee;font:16px sans-serif}}video{{display:block;width:100vw;
height:92vh}}p{{margin:.6em 1em}}#alarm{{background:#a00}}</style></head>
<body><video id="video" src="video" controls autoplay preload="auto" controlslist="nodownload noremoteplayback"
disablepictureinpicture disableremoteplayback></video>
<p id="alarm" hidden></p>
<p>{text}</p>
<script nonce="{nonce}">
const alarm = document.getElementById("alarm");
async function ask() {{
  let said = "the player program has ended";
  try {{ said = await (await fetch("state")).text(); }} catch (gone) {{}}
  alarm.textContent = said;
  alarm.hidden = said === "";
}}
for (const name of ["error", "stalled", "ended"]) document.getElementById("video").addEventListener(name, ask);
</script></body></html>
"""


class Player:
    """Serves one opened recording from `start` to `close`."""

    def __init__(self, plain: Reader, text: str, damaged: Callable[[], None] = lambda: None) -> None:
        """`text`: one line shown under the video; `damaged`: is told once of a part that is not as it was sealed."""
        self._plain, self._text, self._damaged = plain, text, damaged
        self._turn = threading.Lock()
        self._token = secrets.token_urlsafe(24)
        self._told_length = self._found_damaged = False
        self.fault = ""
        """Why the video broke off, "" while it has not."""
        self._ending = self.at_rest = False
        """At rest: nothing is read, and nothing will be."""
        player = self

        class Handler(_Handler):
            @property
            def player(self) -> Player:
                return player

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="player", daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/{self._token}/"

    @property
    def size(self) -> int:
        return self._plain.size

    def start(self) -> str:
        """The address to open."""
        self._thread.start()
        return self.url

    def close(self) -> None:
        """Nothing is read any more; what is being read is waited for a moment."""
        self._ending = True
        self._server.shutdown()
        self._server.server_close()
        self.at_rest = self._turn.acquire(timeout=ENDS_WITHIN_S)  # and kept

    def names(self, path: str) -> str | None:
        """What is asked for under the secret path; None for anything else."""
        _, token, name = [*path.split("/", 2), "", ""][:3]
        return name if hmac.compare_digest(token.encode(), self._token.encode()) else None

    def told(self, agent: str) -> tuple[int, int]:
        """P17: the length that is told to this browser now, and the most bytes of one answer."""
        first, self._told_length = not self._told_length, True
        if first and "Gecko/" in agent:
            return min(self.size, IN_MEMORY), SHORT
        return self.size, self.size

    def page(self, nonce: str) -> bytes:
        self._told_length = False
        return _PAGE.format(nonce=nonce, text=html.escape(self._text)).encode()

    def read(self, start: int, size: int) -> bytes:
        """Plaintext from memory. Raises: AgeError, BridgeError; the fault is kept and said."""
        with self._turn:
            try:
                self._plain.seek(start)
                return self._plain.read(size) or b""
            except (AgeError, BridgeError) as error:
                if not self.fault and not self._ending:
                    print(f"pbx-bridge: the recording broke off: {error}", file=sys.stderr, flush=True)
                if isinstance(error, AgeError) and not self._found_damaged:
                    self._found_damaged = True
                    self._damaged()
                self.fault = f"The recording broke off: {error}"
                raise


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pbx-bridge"
    sys_version = ""
    timeout = 60

    @property
    def player(self) -> Player:
        raise TypeError("made by Player")

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        name = self.player.names(self.path) if self.headers.get("Host") == self.player.host else None
        answers: dict[str, Callable[[bool], None]] = {
            "": self._page,
            "video": self._video,
            "state": self._state,
        }
        if name not in answers:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"", with_body)
            return
        try:
            answers[name](with_body)
        except (AgeError, BridgeError, ConnectionError, TimeoutError):
            self.close_connection = (
                True  # the length promised is not reached: the browser notices and asks `state`
            )

    def _page(self, with_body: bool) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; media-src 'self'; connect-src 'self'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        body = self.player.page(nonce)
        self._send(
            HTTPStatus.OK, "text/html; charset=utf-8", body, with_body, {"Content-Security-Policy": policy}
        )

    def _state(self, with_body: bool) -> None:
        self._send(HTTPStatus.OK, "text/plain; charset=utf-8", self.player.fault.encode(), with_body)

    def _video(self, with_body: bool) -> None:
        asked = self.headers.get("Range")
        found = _RANGE.match(asked) if asked else None
        size = most = self.player.size
        if found:
            size, most = self.player.told(self.headers.get("User-Agent", ""))
        first = int(found[1]) if found else 0
        last = min(int(found[2]), size - 1) if found and found[2] else size - 1
        last = min(last, first + most - 1)
        if asked and (found is None or first > last):
            headers = {"Content-Range": f"bytes */{size}"}
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "text/plain", b"", with_body, headers)
            return
        # The first block before the status: a recording that cannot be opened there is an error, not an empty video.
        block = self.player.read(first, min(READ_BYTES, last + 1 - first)) if with_body else b""
        self.send_response(HTTPStatus.PARTIAL_CONTENT if found else HTTPStatus.OK)
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self._headers("video/webm", last + 1 - first)
        while block:
            self.wfile.write(block)
            first += len(block)
            block = self.player.read(first, min(READ_BYTES, last + 1 - first)) if first <= last else b""

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, with_body: bool, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self._headers(kind, len(body))
        if with_body:
            self.wfile.write(body)

    def _headers(self, kind: str, length: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: an address with the secret path is not for a log."""
