"""The keeper's small books about people: canonical JSON, closed with a MAC under a key of the keeper's own.

An edit by hand shows at the next start, and the keeper does not start with it. Whoever can read that key
could close a book anew: that user is the keeper itself, or root. It knows bytes and a path; never what they mean.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any, Final, TypeVar

from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Malformed, canonical, read_fields, read_object, write_fields

T = TypeVar("T")
_MAC_CHARS: Final = 64
_KEY_BYTES: Final = 32


def kept_key(path: Path) -> bytes | None:
    """The key that closes the books; None when none is kept yet. Raises: OperatorError, OSError."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise OperatorError("this is no key", where=str(path), do="Restore it from the keeper's backup")
    return key


def keep_key(path: Path, key: bytes) -> None:
    """On the disk, 0600, when it returns. Raises: OSError."""
    write_whole(path, f"{key.hex()}\n".encode())


def new_key() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def key_of(identity: str) -> bytes:
    """The key under which a keeper of an earlier build, with this identity (its text), closed its books."""
    return hashlib.sha256(b"pbx-bridge keeper's books 1\0" + identity.encode()).digest()


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
