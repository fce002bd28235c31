"""Telephone numbers as keyed hashes: what is written differently and means the same line gets the same hash.

A number comes in here as a PBX or a person writes it, and leaves only hashed under the bridge's own key. Pure: no file,
no clock. What a hash is compared with stands in `calls/lists.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TypeAlias

SIGNIFICANT_DIGITS = 9
"""The last nine tell a line apart: a trunk prefix (0), a country's (+33, 0033) and one for an outside line vary before
them. Two lines that share nine digits share an objection, which only records less."""
OUTSIDE_LINE = "0"
"""Before a short number it may be the way out of the site (0 112)."""
SHORTEST, LONGEST = 2, 32
"""Digits: 15 is a number; E.164 has 15 at most, prefixes come before."""
KEY_BYTES = 32

NumberHashes: TypeAlias = tuple[str, ...]
"""How one number may be meant: first as it is, then less the digit for an outside line. Empty: no number."""

EMERGENCY = (
    *("112", "15", "17", "18", "114", "115", "119", "191", "196", "197"),
    *("116000", "116006", "116117", "3114", "3919", "3018"),
)
"""P12: emergency, rescue and help lines of France and Europe; calls to them are never recorded, whatever is configured."""

_WRITTEN = re.compile(r"[+0-9 ()./*#-]{1,40}\Z")


def hashes(key: bytes, number: str) -> NumberHashes:
    """The readings of `number`, hashed; empty without a key, and for what is no number (withheld, a name, "s")."""
    digits = _digits(number)
    if not key or not digits:
        return ()
    readings = [digits[-SIGNIFICANT_DIGITS:]]
    if len(digits) <= SIGNIFICANT_DIGITS and digits.startswith(OUTSIDE_LINE):
        readings.append(digits.removeprefix(OUTSIDE_LINE))
    return tuple(_hash(key, reading) for reading in readings if len(reading) >= SHORTEST)


def number_hash(key: bytes, number: str) -> str:
    """The one hash under which `number` is kept. Raises: ValueError when it is no number."""
    found = hashes(key, number)
    if not found:
        raise ValueError(
            f"write a number of {SHORTEST} to {LONGEST} digits, as in 0612345678 or +33 6 12 34 56 78"
        )
    return found[0]


def emergency_hashes(key: bytes) -> frozenset[str]:
    """P12: what no call may be made to and recorded."""
    return frozenset(_hash(key, number) for number in EMERGENCY)


def _digits(number: str) -> str:
    if not _WRITTEN.match(number):
        return ""
    digits = re.sub(r"[^0-9]", "", number)
    return digits if SHORTEST <= len(digits) <= LONGEST else ""


def _hash(key: bytes, digits: str) -> str:
    return hmac.new(key, digits.encode(), hashlib.sha256).hexdigest()[:32]
