"""What programs of a site may ask with a token, but for payments (wire_portal.py). No word of a person.

It knows forms; what a token may stands in portal/tokens.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Many, Text
from pbx_bridge.wire_portal import API, WORD

HEALTH_PATH: Final = API + "/health"
CHECKPOINT_PATH: Final = API + "/audit-checkpoint"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether this bridge could record a call now. No count: who knows how few are recorded knows something of each."""

    keeper: bool
    """The keeper answers."""
    pbx: bool
    """The link to the PBX is up."""
    clock: bool
    """The clock is not in doubt (P20)."""
    audit: bool
    """The next access can be recorded (P19)."""
    nothing_recorded: Annotated[tuple[Annotated[str, WORD], ...], Many(32)]
    """Why nothing is recorded at the moment: `link-lost`, `clock`, `audit`, `disk`; empty when something could be."""


@dataclass(frozen=True, slots=True)
class AuditCheckpoint:
    """The audit log's newest checkpoint (P19): how many records there are, and a signed hash over all of them."""

    checkpoint: Annotated[str, Text(512, lines=True)]
    """A signed note."""
    key: Annotated[str, Text(200)]
    """The verifier key of the notes."""
