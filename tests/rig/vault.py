"""Opens a sealed recording as only its keeper could: for tests that must see what the product wrote.

Root may read the keeper's secret and its key store where they lie; nothing of the running keeper is asked or changed, so
a recording that is still its trainee's alone can be looked at. The plaintext stays in memory.
"""

from __future__ import annotations

from pathlib import Path

from pbx_bridge import age


def sealed_file(state: Path, recording: str) -> Path:
    """Where the finished file of `recording` lies below a bridge's state folder."""
    return state / "sealed" / f"{recording}.age"


def has_key(state: Path, recording: str) -> bool:
    """Whether the key store still holds the recording's key: without it the file is noise (P20)."""
    return (state / "keeper/keystore" / f"{recording}.key").exists()


def open_as_keeper(state: Path, recording: str) -> bytes:
    """The clear WebM. Raises: FileNotFoundError without file or key, age.AgeError when they do not fit."""
    keeper = age.X25519Identity.parse((state / "keeper/keeper.key").read_text("ascii").split()[-1])
    key = (state / "keeper/keystore" / f"{recording}.key").read_bytes()
    own = age.X25519Identity.parse(age.open_bytes(key, [keeper]).decode("ascii"))
    return age.open_bytes(sealed_file(state, recording).read_bytes(), [own])
