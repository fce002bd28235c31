"""AMI's stamps: manager.conf `timestampevents`, and a Ping's answer. Pure; what they are on the bridge's clock is
telephony/stamps.py's."""

from __future__ import annotations

import re

_STAMP = re.compile(r"([0-9]{1,12})\.([0-9]{6})\Z")


def parse_stamp(text: str) -> int:
    """Nanoseconds since 1970 of AMI's `Timestamp: seconds.microseconds`. Raises: ValueError."""
    found = _STAMP.match(text)
    if not found:
        raise ValueError("a PBX timestamp is seconds, a dot and six digits")
    return int(found.group(1)) * 1_000_000_000 + int(found.group(2)) * 1000
