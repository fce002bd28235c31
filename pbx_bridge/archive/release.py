"""Who may open which recording, now: one pure decision, taken where the key is released.

It eats the asker the keeper has proven, the recording as the recorder signed it, what the keeper itself noted
(handed over, destroyed), and the time; it answers with a grant or one refusal of a closed list. It never looks at
a catalogue, a configuration or a request's own claims. Whoever has no right to a recording is told exactly what
a guessed id is told: UNKNOWN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from pbx_bridge.archive.manifest import Manifest, State
from pbx_bridge.archive.rules import HOUR_S, End, Keeping, ends_at
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.wire_portal import Role


@dataclass(frozen=True, slots=True)
class Asker:
    """A person who proved possession of their key."""

    name: str
    role: Role
    """The one by which they might open: a trainee's and a trainer's exclude each other (access/roles.py)."""
    confirmed: bool
    """P22: a new or changed key works only once confirmed."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A recording as the keeper holds it."""

    manifest: Manifest
    handed_over_at: int | None = None
    """Unix seconds at which the trainee ended their own first hours; None while they have not."""
    reviewed_at: int | None = None
    """Unix seconds at which a trainer said that it was discussed in a training session; None while nobody did."""
    destroyed: str | None = None
    """Why its key was destroyed, a word of the ledger's closed list; None while the key exists."""
    suspended_until: int | None = None
    """Unix seconds until which an open request keeps it from being destroyed."""
    restricted_until: int | None = None
    """Unix seconds until which a request has it stored and nothing else (P23)."""
    erased_from: int | None = None
    """Unix seconds since when somebody concerned wants it gone, while an open request of before keeps it (P20, P23)."""
    objected: bool = False
    """Whether its trainee objects to having been recorded (P23): it opens for nobody else."""

    def end(self, keeping: Keeping) -> End:
        """P20: when it ends, as things stand."""
        manifest = self.manifest
        return ends_at(manifest.start, manifest.not_after, self.reviewed_at, keeping, self.erased_from)


class Refusal(Enum):
    """Why not."""

    UNKNOWN = "unknown"
    """No such recording, or none this person may know of: never told apart."""
    ON_ITS_WAY = "on-its-way"
    NOT_KEPT = "not-kept"
    TRAINEE_FIRST = "trainee-first"
    EXPIRED = "expired"
    KEY_UNCONFIRMED = "key-unconfirmed"
    RESTRICTED = "restricted"
    """A person concerned asked that it be stored and nothing else (P23)."""
    KEPT_FOR_REQUEST = "kept-for-request"
    """An open request keeps it from being destroyed (P20)."""
    NOT_GRANTED = "not-granted"
    """No open request for a copy, or nobody compared the requester's key (P23)."""
    CLOCK = "clock"
    """P20: nobody can say what time it is, so nobody can say what may be opened."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The file key may be wrapped for the asker's own registered key."""


@dataclass(frozen=True, slots=True)
class Refused:
    refusal: Refusal
    detail: str = ""
    """A reason the asker may know (NOT_KEPT), as a word of the ledger's closed list; "" otherwise."""
    until: int = 0
    """Unix seconds: when TRAINEE_FIRST ends, or when it EXPIRED; 0 otherwise."""


Answer: TypeAlias = Granted | Refused

TECHNICAL: Final = frozenset(
    reason.value
    for reason in (
        Reason.CEILING,
        Reason.NO_STATION,
        Reason.STATION_LOCKED,
        Reason.SEVERAL_STATIONS,
        Reason.BUSY_STATION,
        Reason.LEASE_LOST,
        Reason.CAPTURE_REFUSED,
        Reason.CAPTURE_LATE,
        Reason.CAPTURE_FAILED,
        Reason.TOO_FEW_PICTURES,
        Reason.LINK_LOST,
        Reason.FOREIGN_RECORDER,
        Reason.AUDIO_MISSING,
        Reason.AGENT_UNREACHABLE,
        Reason.UNREADABLE,
        Reason.DISK,
        Reason.OVERLOAD,
        Reason.CLOCK,
        Reason.AUDIT,
        Reason.PAUSE_TIMEOUT,
        Reason.SHUTDOWN,
        Reason.BRIDGE_FAULT,
    )
)
"""P24: technical faults, which a trainer sees. All others may come from a person, or show the draw: only the
trainee sees those; a trainer sees "not recorded". A reason added later stays hidden until it is listed here."""


def may_know(asker: Asker, manifest: Manifest, now: int) -> bool:
    """P18, P22: whether this recording exists for the asker, whose key is confirmed: their own, or of a trainee assigned to
    them, both when it was made and now."""
    if not asker.confirmed:
        return False
    if asker.role is Role.TRAINEE:
        return asker.name == manifest.trainee
    if asker.role is not Role.TRAINER:
        return False
    return any(
        a.trainer == asker.name and a.start <= manifest.start < a.end and a.start <= now < a.end
        for a in manifest.trainers
    )


def may_open(asker: Asker, holding: Holding | None, now: int | None, keeping: Keeping) -> Answer:
    """P18, P20, P22: the decision. `now` in Unix seconds, None while the clock is in doubt; `holding` is None when no such
    recording is held.

    The order matters: a key that nobody confirmed learns nothing, whatever it asks for; who may not know of a recording
    learns nothing of its state; who may know learns the state that will not change (gone, expired) before the one that will
    (on its way, the trainee's alone).
    """
    if not asker.confirmed:
        return Refused(Refusal.KEY_UNCONFIRMED)
    if now is None:
        return Refused(Refusal.CLOCK)
    if holding is None or not may_know(asker, holding.manifest, now):
        return Refused(Refusal.UNKNOWN)
    manifest = holding.manifest
    end = holding.end(keeping)
    if now >= end.at:
        return Refused(Refusal.EXPIRED, until=end.at)
    if holding.destroyed is not None:
        return Refused(Refusal.NOT_KEPT, detail=visible_reason(asker, holding.destroyed))
    if manifest.state is State.RECORDING:
        return Refused(Refusal.ON_ITS_WAY)
    if holding.restricted_until is not None and now < holding.restricted_until:
        return Refused(Refusal.RESTRICTED, until=holding.restricted_until)
    if asker.role is not Role.TRAINEE and holding.objected:
        return Refused(Refusal.RESTRICTED, until=end.at)
    if asker.role is not Role.TRAINEE and holding.handed_over_at is None:
        alone_until = manifest.start + manifest.duration_ms // 1000 + keeping.trainee_first_h * HOUR_S
        if now < alone_until:
            return Refused(Refusal.TRAINEE_FIRST, until=alone_until)
    return Granted()


def states_session(asker: Asker, session: str, *, needed: bool) -> bool:
    """P21: whether an opening says which training session it serves; a trainee's own needs none. `needed` is False in
    demonstration mode alone."""
    return bool(session.strip()) or asker.role is Role.TRAINEE or not needed


def may_list(asker: Asker, holding: Holding) -> bool:
    """P24: whether a recording the asker may know of stands in their list.

    One that was destroyed for a person's reason does not stand in a trainer's: among recordings alone, "not recorded"
    without a technical reason would say that somebody objected.
    """
    return holding.destroyed is None or bool(visible_reason(asker, holding.destroyed))


def may_hand_over(trainee: str, holding: Holding | None, now: int | None, keeping: Keeping) -> Answer:
    """P18: whether this trainee may end their first hours of this recording. Doing it twice is no harm."""
    asker = Asker(trainee, Role.TRAINEE, confirmed=True)
    return may_open(asker, holding, now, keeping)


def may_review(asker: Asker, holding: Holding | None, now: int | None, keeping: Keeping) -> Answer:
    """P15: whether this person may say that the recording was discussed in a training session with the trainee: a trainer
    who may open it now. Opening is not reviewing; saying so twice is no harm, the first time counts."""
    if asker.role is not Role.TRAINER:
        return Refused(Refusal.UNKNOWN)
    return may_open(asker, holding, now, keeping)


def may_write_note(asker: Asker, holding: Holding | None, now: int | None, keeping: Keeping) -> Answer:
    """P18, P21: whether this person may write a note on the recording's time line: a trainer who may open it now."""
    if asker.role is not Role.TRAINER:
        return Refused(Refusal.UNKNOWN)
    return may_open(asker, holding, now, keeping)


def is_note_of(asker: Asker, author: str) -> bool:
    """P18, P23: whether a note by `author` is for this asker, who may open its recording, to read and to erase: a trainee
    has every note about them, a trainer those they wrote themselves."""
    return asker.role is Role.TRAINEE or asker.name == author


def visible_reason(asker: Asker, reason: str) -> str:
    """P24: the reason if this person may see it, "" if not."""
    return reason if asker.role is Role.TRAINEE or reason in TECHNICAL else ""
