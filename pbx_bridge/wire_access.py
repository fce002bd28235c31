"""One access to a recording, as the person concerned and the auditor may read it. Shared with the workstation client.

It knows a form and its limits; who may read it is the keeper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Text, Whole

MAX_ACCESSES: Final = 40
"""Of one answer: the longest have 1.3 KiB, a message to a workstation 64 KiB."""


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One record of the audit log, without what only a verifier needs."""

    number: Annotated[int, Whole(1)]
    at: Annotated[int, Whole(0, 1 << 40)]
    """Unix seconds."""
    who: Annotated[str, Text(64)]
    """A short name, or `(bridge)`, `(keeper)`, `(administrator)`, `(unknown)`."""
    act: Annotated[str, Text(32)]
    outcome: Annotated[str, Text(32)]
    reason: Annotated[str, Text(64, 0)]
    recording: Annotated[str, Text(26, 0)]
    session: Annotated[str, Text(200, 0)]
    """P21: the training session the asker stated."""
    person: Annotated[str, Text(64, 0)]
