"""A sealed payload that lies at the bridge, as a file to read in any order. Blocks are kept for a while; nothing is written.

It knows ciphertext and positions; opening it is age.Reader's work.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Final

from pbx_bridge.trainer.bridge import Bridge, BridgeError
from pbx_bridge.wire_portal import Refused

BLOCK_BYTES: Final = 512 * 1024
"""8 sealed chunks: at 50 kbit/s a minute and a half of recording per request."""
KEPT_BLOCKS: Final = 32


class RemotePayload(io.RawIOBase):
    """Read-only and seekable; not for several threads. Raises: BridgeError from a read."""

    def __init__(self, bridge: Bridge, grant: bytes, size: int) -> None:
        super().__init__()
        self._bridge, self._grant, self._size = bridge, grant, size
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the start of a payload")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Up to the end of one block; empty at the end of the payload."""
        wanted = max(0, self._size - self._at)
        if size >= 0:
            wanted = min(wanted, size)
        if not wanted:
            return b""
        number, within = divmod(self._at, BLOCK_BYTES)
        part = self._block(number)[within : within + wanted]
        self._at += len(part)
        return part

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            start = number * BLOCK_BYTES
            end = min(start + BLOCK_BYTES, self._size)
            try:
                block = b"".join(self._bridge.payload(self._grant, start, end))
            except Refused as refused:
                raise BridgeError(str(refused)) from None
            self._blocks[number] = block
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return block
