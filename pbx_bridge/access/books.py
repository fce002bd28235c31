"""The keeper's small books about people: canonical JSON, closed with a MAC under a key of the keeper's own.

An edit by hand shows at the next start, and the keeper does not start with it. Whoever can read that key
could close a book anew: that user is the keeper itself, or root. It knows bytes and a path; never what they mean.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any, Final, TypeVar

from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Malformed, canonical, read_fields, read_object, write_fields

T = TypeVar("T")
_MAC_CHARS: Final = 64
_KEY_BYTES: Final = 32


def book_key(path: Path, identity: str) -> bytes:
    """The key that closes the books, kept in `path` (0600): made at the first start, when the keeper had this identity (its
    text), and the same though the identity changes. Raises: OperatorError, OSError.
    """
    if not path.exists():
        made = hashlib.sha256(b"pbx-bridge keeper's books 1\0" + identity.encode()).hexdigest()
        write_whole(path, f"{made}\n".encode())
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise OperatorError("this is no key", where=str(path), do="Restore it from the keeper's backup")
    return key


def read_book(path: Path, kind: type[T], key: bytes) -> T | None:
    """The book; None when there is none yet. Raises: OperatorError when it is not as the keeper closed it."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    text, genuine = opened(path.name, whole, key)
    try:
        if not genuine:
            raise Malformed("it is not as this keeper wrote it: edited, cut, or of another keeper or version")
        return read_fields(kind, read_object(text))
    except Malformed as error:
        raise OperatorError(
            str(error),
            where=str(path),
            do="Restore it from the keeper's backup and tell the auditor",
        ) from None


def write_book(path: Path, book: Any, key: bytes) -> None:
    """Replaces the book: after a crash the old or the new one stands there. Raises: OSError."""
    write_whole(path, closed(path.name, canonical(write_fields(book)), key))


def closed(name: str, text: bytes, key: bytes) -> bytes:
    """The file of this name with this one-line text."""
    return text + b"\n" + _mac(name, text, key) + b"\n"


def opened(name: str, whole: bytes, key: bytes) -> tuple[bytes, bool]:
    """The text in such a file, and whether it is as it was closed."""
    text, mac = whole[: -_MAC_CHARS - 2], whole[-_MAC_CHARS - 1 : -1]
    return text, hmac.compare_digest(mac, _mac(name, text, key))


def _mac(name: str, text: bytes, key: bytes) -> bytes:
    return hmac.new(key, name.encode() + b"\0" + text, hashlib.sha256).hexdigest().encode()
