"""The notice its user acknowledged here: stored with a signature of the device's key, checked whenever it is read (P14).

The application rules, rate and ceiling the client obeys are those of this notice and no other: a bridge that sends a
wider list only makes the notice unacknowledged again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge import wire
from pbx_bridge.wire_json import Malformed, Whole, read_fields, read_object, write_fields
from pbx_bridge.wire_proof import acknowledgement_statement, is_signed, public_key, sign
from workstation_client.agent import Acknowledged
from workstation_client.identity import write_private

log = logging.getLogger(__name__)

_FILE: Final = "acknowledged.json"
_MAX_FILE_BYTES: Final = 4 * wire.MAX_CONTROL_BYTES


@dataclass(frozen=True, slots=True)
class _Stored:
    notice: wire.Notice
    accepted_at: Annotated[int, Whole(0, 2**40)]
    signature: wire.Signature


def acknowledge(notice: wire.Notice, seed: bytes, now: float) -> Acknowledged:
    """The user's acknowledgement of exactly this notice, signed with the device's key."""
    digest, at = wire.notice_hash(notice), int(now)
    return Acknowledged(notice, digest, at, sign(seed, acknowledgement_statement(digest, at)))


def store(acknowledged: Acknowledged, folder: Path) -> None:
    stored = _Stored(acknowledged.notice, acknowledged.accepted_at, acknowledged.signature)
    write_private(folder / _FILE, json.dumps(write_fields(stored), ensure_ascii=False, indent=1))


def load(folder: Path, seed: bytes) -> Acknowledged | None:
    """What was acknowledged on this workstation; None when nothing was, or when the file was changed since."""
    try:
        with (folder / _FILE).open("rb") as file:
            stored = read_fields(_Stored, read_object(file.read(_MAX_FILE_BYTES)))
    except FileNotFoundError:
        return None
    except (Malformed, OSError) as error:
        log.warning("the acknowledgement cannot be read and counts as none: %s", error)
        return None
    digest = wire.notice_hash(stored.notice)
    statement = acknowledgement_statement(digest, stored.accepted_at)
    if not is_signed(public_key(seed), statement, stored.signature):
        log.warning("the acknowledgement is not signed by this device and counts as none")
        return None
    return Acknowledged(stored.notice, digest, stored.accepted_at, stored.signature)
