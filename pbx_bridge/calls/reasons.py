"""The closed list of answers the ledger gives for a call of an enrolled person (P24).

A reason says what kind of thing happened, never who did it or what was said.
"""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """What became of the recording of one call."""

    RECORDED = "recorded"
    NOT_RECORDED = "not-recorded"
    DISCARDED = "discarded"
    """Something was recorded and then destroyed because a rule demands it (P2, P7, P16)."""


class Reason(Enum):
    """Why a recording ended where it did, or why there is none. One of these stands in every ledger entry."""

    # a recording that ended as calls end
    HUNG_UP = "hung-up"
    PARTY_LEFT = "party-left"
    TRANSFERRED = "transferred"
    PARKED = "parked"
    THIRD_PARTY = "third-party"
    CEILING = "ceiling"
    # never answered
    NO_ANSWER = "no-answer"
    NO_TALK = "no-talk"
    """The leg was answered, but never shared a conversation with an outside party."""
    # decided before the answer
    NO_PLAN = "no-plan"
    PLAN_ENDED = "plan-ended"
    NOT_DRAWN = "not-drawn"
    NOT_APPROVED = "not-approved"
    """The plan was proposed or changed, and its approver has not confirmed that (P13, P22)."""
    WEEKLY_CAP = "weekly-cap"
    CAPACITY = "capacity"
    """The trainer declared less time for reviewing this week than is recorded already (P15)."""
    BACKLOG = "backlog"
    """As much waits to be reviewed as the trainer can review (P15)."""
    NEVER_RECORD = "never-record"
    PERSON_CONFLICT = "person-conflict"
    # information and consent
    NO_NOTICE = "no-notice"
    OBJECTION = "objection"
    OPTED_OUT = "opted-out"
    """This caller objected in an earlier call and the time of that objection still runs (P16)."""
    PRIVATE = "private"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    # the workstation
    NO_STATION = "no-station"
    STATION_LOCKED = "station-locked"
    SEVERAL_STATIONS = "several-stations"
    BUSY_STATION = "busy-station"
    LEASE_LOST = "lease-lost"
    CAPTURE_REFUSED = "capture-refused"
    CAPTURE_LATE = "capture-late"
    CAPTURE_FAILED = "capture-failed"
    INDICATOR_GONE = "indicator-gone"
    TOO_FEW_PICTURES = "too-few-pictures"
    KEY_CLONED = "key-cloned"
    PAUSE_TIMEOUT = "pause-timeout"
    """A payment pause was not ended in time (P7)."""
    # the PBX
    LINK_LOST = "link-lost"
    FOREIGN_RECORDER = "foreign-recorder"
    AUDIO_MISSING = "audio-missing"
    AGENT_UNREACHABLE = "agent-unreachable"
    UNREADABLE = "unreadable"
    # the bridge
    DISK = "disk"
    OVERLOAD = "overload"
    CLOCK = "clock"
    AUDIT = "audit"
    """The audit log cannot be written (P19)."""
    SHUTDOWN = "shutdown"
    BRIDGE_FAULT = "bridge-fault"
    """The bridge itself was killed or failed; what precedes the fault was rebuilt by the keeper."""
    # why a finished recording was destroyed
    EXPIRED = "expired"
    UNREVIEWED = "unreviewed"
    """Not discussed in a training session within fourteen days (P15)."""
    REVIEWED = "reviewed"
    """Seven days after its review (P20)."""
    ERASED = "erased"
    """At the request of the person concerned (P23)."""
