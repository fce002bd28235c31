"""P24: each reason of the ledger's closed list is provoked once, by a call played to its end or by a later destruction.

A reason without a way to provoke it fails here: it would be a word nobody has ever seen written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pbx_bridge import wire
from pbx_bridge.app_recordings import FAILURES
from pbx_bridge.app_stations import CAPTURE_REASONS
from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.lists import Lists
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId, StationId
from pbx_bridge.media.outcome import Failure
from pbx_bridge.training.plans import Used
from tests.calls.story import (
    AGENT,
    ALICE,
    BOB,
    CUSTOMER,
    NOTICE,
    OTHER,
    PLANS,
    SECOND,
    SECOND_NS,
    Story,
    agent_hangs_up,
    answers,
    customer_hangs_up,
    rings,
    standing,
)

ROOT = Path(__file__).resolve().parents[1]
REC = RecordingId("rec1")
THIRD = ChannelId("c9")
END = 90 * SECOND_NS


def talk(story: Story | None = None) -> Story:
    """A call that is being recorded, both tracks running, a picture seen in second 1."""
    story = (story or Story()) >> rings() >> answers(1)
    story.also(story.desk.capture_started(REC, SECOND_NS)).also(story.desk.audio_started(AGENT, SECOND_NS))
    story.desk.picture_seen(REC, SECOND_NS)
    return story


def unrecorded(story: Story) -> Story:
    """A call from the ring to the hang-up."""
    return story >> rings() >> answers(1) >> agent_hangs_up(80)


def kept(story: Story) -> Story:
    """The last pictures come, and the file is sealed."""
    story.also(story.desk.capture_ended(REC, END, None))
    return story.also(story.desk.sealed(REC, END, 60 * SECOND_NS))


def fired(story: Story, timer: str, at: int = 60) -> Story:
    return story.also(story.desk.timer(AGENT, timer, at * SECOND_NS))


def station_says(reason: Reason) -> Story:
    story = talk()
    return kept(story.also(story.desk.capture_ended(REC, 3 * SECOND_NS, reason)))


def failed(reason: Reason) -> Story:
    story = talk()
    return story.also(story.desk.failed(REC, 5 * SECOND_NS, reason, kept=False))


def frozen(reason: Reason) -> Story:
    story = Story()
    story.desk.freeze(reason)
    return unrecorded(story)


def standing_so(**changes: object) -> Story:
    story = Story()
    story.standing = replace(standing(), **changes)  # type: ignore[arg-type]
    return unrecorded(story)


def planned(*plans: object) -> Story:
    story = Story()
    story.plans = plans  # type: ignore[assignment]
    return unrecorded(story)


def third_party() -> Story:
    joins: list[fa.Fact] = [
        fa.ChannelBorn(0, THIRD, "PJSIP/trunk", False, "x"),
        fa.BridgeEntered(3 * SECOND_NS, THIRD, "b1"),
    ]
    return kept(fired(talk() >> joins, "apart"))


def never_talked() -> Story:
    return (
        Story()
        >> rings()
        >> fa.ChannelUp(SECOND_NS, AGENT)
        >> [
            fa.ChannelGone(2 * SECOND_NS, AGENT, 16),
            fa.ChannelGone(2 * SECOND_NS, CUSTOMER, 16),
        ]
    )


def nobody_answered() -> Story:
    return (
        Story() >> rings() >> [fa.ChannelGone(SECOND_NS, AGENT, 16), fa.ChannelGone(SECOND_NS, CUSTOMER, 16)]
    )


def another_person() -> Story:
    story = Story() >> fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "x") >> fa.PersonNamed(0, AGENT, "Bob")
    return story >> rings()[:2] >> rings()[3:] >> answers(1) >> agent_hangs_up(9)


def marked(*facts: fa.Fact) -> Story:
    """Something the PBX says of the ringing call."""
    return Story() >> rings() >> facts >> answers(1) >> agent_hangs_up(9)


def two_desks() -> Story:
    story = Story()
    story.desk.station_seen(StationId("desk-2"), ALICE, active=True, locked=False, acknowledged=NOTICE)
    return unrecorded(story)


def a_second_call() -> Story:
    story = talk() >> fa.Held(2 * SECOND_NS, AGENT)
    story.kinds()
    return (
        story
        >> rings(3, SECOND, OTHER)
        >> answers(4, SECOND, OTHER, "b2")
        >> agent_hangs_up(9, SECOND, OTHER)
    )


def opted_out() -> Story:
    number = "hash-of-a-number"
    story = Story(lists=Lists(opted_out=frozenset({number})))
    first, *others = rings()
    assert isinstance(first, fa.ChannelBorn)
    return story >> replace(first, numbers=(number,)) >> others >> answers(1) >> agent_hangs_up(9)


def private() -> Story:
    story = talk()
    return story.also(story.desk.private(StationId("desk-1"), 5 * SECOND_NS) or [])


def leased(reason: Reason) -> Story:
    story = talk()
    return kept(story.also(story.desk.lease_lost(StationId("desk-1"), 5 * SECOND_NS, reason)))


def shut_down() -> Story:
    story = talk()
    return kept(story.also(story.desk.shutdown(5 * SECOND_NS)))


def capture_late() -> Story:
    return fired(Story() >> rings() >> answers(1), "start", 3)


def audio_missing() -> Story:
    story = Story() >> rings() >> answers(1)
    return fired(story.also(story.desk.capture_started(REC, SECOND_NS)), "start", 3)


AT = 3 * SECOND_NS
STORIES: dict[Reason, Callable[[], Story]] = {
    Reason.HUNG_UP: lambda: kept(talk() >> customer_hangs_up(5)),
    Reason.PARTY_LEFT: lambda: kept(fired(talk() >> fa.BridgeLeft(AT, CUSTOMER, "b1"), "apart")),
    Reason.TRANSFERRED: lambda: kept(talk() >> fa.Transferred(AT, (AGENT, CUSTOMER))),
    Reason.PARKED: lambda: kept(talk() >> fa.Parked(AT, CUSTOMER)),
    Reason.THIRD_PARTY: third_party,
    Reason.CEILING: lambda: kept(fired(talk(), "ceiling")),
    Reason.NO_ANSWER: nobody_answered,
    Reason.NO_TALK: never_talked,
    Reason.NO_PLAN: lambda: planned(PLANS[1]),
    Reason.PLAN_ENDED: lambda: planned(replace(PLANS[0], ended_on=PLANS[0].first_day)),
    Reason.NOT_DRAWN: lambda: unrecorded(Story(roll=0.99)),
    Reason.NOT_APPROVED: lambda: standing_so(approved=frozenset()),
    Reason.WEEKLY_CAP: lambda: standing_so(used={ALICE: Used(2, 3.0)}),
    Reason.CAPACITY: lambda: standing_so(recorded_minutes={"bruno": 600.0}),
    Reason.BACKLOG: lambda: standing_so(backlog_minutes={"bruno": 600.0}),
    Reason.NEVER_RECORD: lambda: marked(fa.NeverRecord(0, AGENT)),
    Reason.PERSON_CONFLICT: another_person,
    Reason.NO_NOTICE: lambda: (
        Story()
        >> [f for f in rings() if not isinstance(f, fa.NoticeHeard)]
        >> answers(1)
        >> agent_hangs_up(9)
    ),
    Reason.OBJECTION: lambda: talk() >> fa.CallerObjected(AT, CUSTOMER),
    Reason.OPTED_OUT: opted_out,
    Reason.PRIVATE: private,
    Reason.NOT_ACKNOWLEDGED: lambda: unrecorded(Story().station(acknowledged="an older text")),
    Reason.NO_STATION: lambda: unrecorded(Story(station=False)),
    Reason.STATION_LOCKED: lambda: unrecorded(Story().station(locked=True)),
    Reason.SEVERAL_STATIONS: two_desks,
    Reason.BUSY_STATION: a_second_call,
    Reason.LEASE_LOST: lambda: leased(Reason.LEASE_LOST),
    Reason.KEY_CLONED: lambda: leased(Reason.KEY_CLONED),
    Reason.CAPTURE_LATE: capture_late,
    **{
        reason: lambda reason=reason: station_says(reason)  # type: ignore[misc]
        for reason in (
            Reason.CAPTURE_REFUSED,
            Reason.CAPTURE_FAILED,
            Reason.INDICATOR_GONE,
            Reason.TOO_FEW_PICTURES,
        )
    },
    Reason.PAUSE_TIMEOUT: lambda: kept(fired(talk() >> fa.PaymentBegan(AT, AGENT), "payment", 303)),
    Reason.LINK_LOST: lambda: kept(talk() >> fa.LinkDown(AT, "eof")),
    Reason.FOREIGN_RECORDER: lambda: marked(fa.ForeignRecorder(0, AGENT)),
    Reason.AUDIO_MISSING: audio_missing,
    Reason.AGENT_UNREACHABLE: lambda: kept(talk() >> fa.LegSilent(40 * SECOND_NS, AGENT, 30 * SECOND_NS)),
    Reason.UNREADABLE: lambda: marked(fa.Unreadable(0, AGENT, "any")),
    Reason.OVERLOAD: lambda: failed(Reason.OVERLOAD),
    Reason.BRIDGE_FAULT: lambda: failed(Reason.BRIDGE_FAULT),
    Reason.DISK: lambda: frozen(Reason.DISK),
    Reason.CLOCK: lambda: frozen(Reason.CLOCK),
    Reason.AUDIT: lambda: frozen(Reason.AUDIT),
    Reason.SHUTDOWN: shut_down,
}
DESTROYED_LATER = {
    Reason.EXPIRED: "tests/archive/test_release.py::test_the_end_says_why",
    Reason.UNREVIEWED: "tests/archive/test_release.py::test_the_end_says_why",
    Reason.REVIEWED: "tests/archive/test_release.py::test_the_end_says_why",
    Reason.ERASED: "tests/rights/test_keeper_rights.py::test_erasure_destroys_at_once_and_nothing_of_another",
}
"""Written in the record of a destruction, by the keeper; the call's own line says that it was recorded."""


@pytest.mark.parametrize("reason", STORIES, ids=lambda reason: reason.value)
def test_a_call_that_ends_in_it(reason: Reason) -> None:
    story = STORIES[reason]()
    lines = [line for line in story.orders if isinstance(line, co.WriteLedger)]
    (line,) = [line for line in lines if line.trainee in (ALICE, BOB)]
    assert line.reason is reason
    assert (line.outcome is Outcome.RECORDED) == (line.duration_ns > 0)


def test_each_reason_has_a_way_to_provoke_it() -> None:
    assert set(STORIES) | set(DESTROYED_LATER) == set(Reason)
    assert not set(STORIES) & set(DESTROYED_LATER)


@pytest.mark.parametrize("reason", DESTROYED_LATER, ids=lambda reason: reason.value)
def test_a_destruction_that_names_it(reason: Reason) -> None:
    path, name = DESTROYED_LATER[reason].split("::")
    source = (ROOT / path).read_text()
    (test,) = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    begin = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
    text = "\n".join(source.splitlines()[begin - 1 : test.end_lineno])
    assert re.search(rf"Reason\.{reason.name}\b|[\"']{reason.value}[\"']", text), "it does not speak of it"


def test_what_stations_and_files_can_say_has_its_reason() -> None:
    """No way for a capture or a file to end is left without a word of its own, and each word is one of the list."""
    assert set(FAILURES) == set(Failure)
    ordered = {wire.CaptureEnd.ORDERED}
    plain = set(wire.CaptureEnd) - set(CAPTURE_REASONS) - ordered
    assert not ordered & set(CAPTURE_REASONS)
    assert {*FAILURES.values(), *CAPTURE_REASONS.values()} <= set(STORIES)
    assert plain == {
        wire.CaptureEnd.GUARD,
        wire.CaptureEnd.CAPTURE_FAILED,
        wire.CaptureEnd.ENCODER_FAILED,
        wire.CaptureEnd.SPOOL_FULL,
        wire.CaptureEnd.SWAP,
        wire.CaptureEnd.CLIENT_GONE,
        wire.CaptureEnd.CLIENT_STOPPED,
    }, "app_stations.py calls these capture-failed; a new one needs a word"
