"""The peer of `bench player`: the same film in clear, from a plain file server, in a page with a `<video>` and a button.

    python -m tests.bench.plain FILM CERTIFICATE KEY

It listens with TLS on a free port of loopback and prints it. No key, no service worker, no record: what remains is the way,
the server's answers by ranges, and the browser's own reading and decoding.
"""

from __future__ import annotations

import re
import ssl
import sys
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BLOCK = 256 * 1024
PAGE = b"""<!doctype html><meta charset="utf-8"><title>film</title>
<form id="open"><fieldset><button>Open</button></fieldset></form><video id="video" controls style="width: 100%"></video>
<script>
document.getElementById("open").addEventListener("submit", (event) => {
  event.preventDefault();
  const video = document.getElementById("video");
  video.src = "/film?" + Math.random();
  video.play();
});
</script>
"""


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, film: Path, *given: Any) -> None:
        self._film = film
        super().__init__(*given)

    def do_GET(self) -> None:
        if not self.path.startswith("/film"):
            self._head(200 if self.path == "/" else 404, "text/html", len(PAGE) if self.path == "/" else 0)
            if self.path == "/":
                self.wfile.write(PAGE)
            return
        size = self._film.stat().st_size
        asked = re.match(r"bytes=(\d+)-(\d*)\Z", self.headers.get("Range", "bytes=0-"))
        assert asked is not None
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        self._head(206, "video/webm", last + 1 - first, f"bytes {first}-{last}/{size}")
        with self._film.open("rb") as film, suppress(OSError):  # a browser that jumps hangs up
            film.seek(first)
            while first <= last:
                part = film.read(min(BLOCK, last + 1 - first))
                self.wfile.write(part)
                first += len(part)

    def _head(self, status: int, kind: str, size: int, span: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        if span:
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", span)
        self.end_headers()

    def log_message(self, *args: Any, **more: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, film: Path, cert: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), partial(Answers, film))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(cert, key)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is in the connection's own thread."""
        with suppress(OSError), self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


if __name__ == "__main__":
    server = Server(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    print(server.server_address[1], flush=True)
    server.serve_forever()
