"""AMI's bytes cut into messages, with limits, before the library sees them.

panoramisk decodes each TCP segment by itself and drops letters split over two; here a message is decoded whole. It
knows blank lines and sizes, not what a message says. A stream that breaks a limit is not an AMI: the link ends.
"""

from __future__ import annotations

from pbx_bridge.errors import PeerError

GREETING = b"Asterisk Call Manager/"
LINE_LIMIT = 32 * 1024
"""Asterisk builds a header in a growing string; the longest it sends (a channel variable) stays below 4 KiB."""
MESSAGE_LIMIT = 256 * 1024
"""The largest of the recorded ones is below 2 KiB; `core show` output, which we never ask for, would be the longest."""


class AmiFraming:
    """Bytes in, whole messages out; `PeerError` when it is no AMI or breaks a limit."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._searched = 0
        self._greeted = False
        self.version = ""
        """AMI's version from the greeting; empty before it came."""

    def feed(self, data: bytes) -> list[str]:
        """The messages that `data` completes, without their blank line. Raises: PeerError."""
        self._pending += data
        if not self._greeted and not self._greet():
            return []
        messages: list[str] = []
        while True:
            # one byte back for each byte of a blank line that came in an earlier segment
            end = self._pending.find(b"\r\n\r\n", max(self._searched - 3, 0))
            if end < 0:
                break
            raw = bytes(self._pending[:end])
            del self._pending[: end + 4]
            self._searched = 0
            _refuse_long(raw)
            if raw.strip():
                messages.append(raw.decode("utf-8", "replace"))
        self._searched = len(self._pending)
        if len(self._pending) > MESSAGE_LIMIT:
            raise PeerError(f"an AMI message is longer than {MESSAGE_LIMIT} bytes")
        return messages

    def _greet(self) -> bool:
        start = bytes(self._pending[: len(GREETING)])
        if not GREETING.startswith(start):
            raise PeerError("what answers on the AMI port is no Asterisk manager")
        end = self._pending.find(b"\r\n")
        if end < 0:
            if len(self._pending) > 200:
                raise PeerError("the AMI greeting never ends")
            return False
        self.version = bytes(self._pending[len(GREETING) : end]).decode("ascii", "replace")
        del self._pending[: end + 2]
        self._greeted = True
        return True


def _refuse_long(raw: bytes) -> None:
    if len(raw) > MESSAGE_LIMIT:
        raise PeerError(f"an AMI message is longer than {MESSAGE_LIMIT} bytes")
    if len(raw) > LINE_LIMIT and max(map(len, raw.split(b"\r\n"))) > LINE_LIMIT:
        raise PeerError(f"an AMI line is longer than {LINE_LIMIT} bytes")
