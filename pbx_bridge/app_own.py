"""What the bridge keeps of one trainee, gathered for themselves (P23, GDPR art. 15): plans, acknowledgements, calls.

Who asks was proven to the keeper; here only what bears that very name is taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.archive.retention_wire import End
from pbx_bridge.archive.witness import Witness
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import Enrolled
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.ledger import Line
from pbx_bridge.training.plans import plan_text
from pbx_bridge.wire_rights import MAX_CALLS, Acknowledged, Own, OwnCall, Visitor

log = structlog.get_logger()

MAX_FILE_BYTES = 1024


def own_of(visitor: Visitor, known: Enrolled, ledger: LedgerTail, acknowledgements: Path) -> Own:
    """P23: all of `visitor`, and nothing of anybody else."""
    trainee = next((one for one in known.trainees if one.id == visitor.name), None)
    lines = ledger.of(visitor.name)
    return Own(
        name=visitor.name,
        endpoints=trainee.endpoints if trainee else (),
        member=trainee.member if trainee else "",
        login=trainee.login if trainee else "",
        plans=tuple(plan_text(plan) for plan in known.plans if plan.trainee == visitor.name),
        acknowledgements=tuple(acknowledged(acknowledgements, visitor.name)),
        calls=tuple(map(_call, lines[-MAX_CALLS:])),
        requests=visitor.requests,
    )


def erased(recording: RecordingId, witness: Witness, catalogue: Catalogue) -> None:
    """P20, P23: whatever one of the two cannot write, the key is gone already; it is said."""
    try:
        witness.note(End(int(time.time()), recording, Reason.ERASED.value))
        catalogue.recordings.forget([recording])
    except (OSError, OperatorError) as error:
        log.error("an erasure could not be noted everywhere", recording=recording, why=str(error))


def acknowledged(folder: Path, name: str) -> Iterable[Acknowledged]:
    """P14: what this trainee acknowledged, oldest first. The files name nobody: each is read."""
    found = []
    for path in folder.iterdir() if folder.exists() else ():
        with path.open("rb") as file:
            words = file.read(MAX_FILE_BYTES).decode("ascii", "replace").split()
        if len(words) == 5 and words[0] == name:
            found.append(Acknowledged(words[2], int(float(words[3])), words[1]))
    return sorted(found, key=lambda one: one.at)


def _call(line: Line) -> OwnCall:
    milliseconds = round(line.seconds * 1000)
    return OwnCall(line.at, line.outcome, line.reason, line.recording, milliseconds, line.plan)
