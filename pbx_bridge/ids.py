"""Names of things, as types: a recording, a station, a trainee. Shared with the workstation client.

It knows how an id is written and made; it never knows what the thing is.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import NewType

RecordingId = NewType("RecordingId", str)
"""26 characters of lower-case base32: 128 random bits, without meaning (P17)."""
StationId = NewType("StationId", str)
"""An enrolled workstation, by the name the administrator gave in the invitation."""
TraineeId = NewType("TraineeId", str)
"""An enrolled trainee, by the configuration's name for them; never a name of the person in a file name."""
ChannelId = NewType("ChannelId", str)
"""The PBX's unique id of one channel (Asterisk: Uniqueid, prefixed with the system name)."""

_RECORDING = re.compile(r"[a-z2-7]{26}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def new_recording_id() -> RecordingId:
    """A fresh id from the system's random source."""
    return RecordingId(base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower())


def parse_recording_id(text: str) -> RecordingId:
    """The id in `text`. Raises: ValueError when it is not 26 characters of a-z2-7."""
    if not _RECORDING.match(text):
        raise ValueError("a recording id is 26 characters of a-z and 2-7")
    return RecordingId(text)


def parse_name(text: str) -> str:
    """A station's, trainee's or trainer's short name. Raises: ValueError when it is not 1-64 of A-Z a-z 0-9 . _ -."""
    if not _NAME.match(text):
        raise ValueError("a name is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit")
    return text
