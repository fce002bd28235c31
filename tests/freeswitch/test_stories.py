"""Whole calls on FreeSWITCH, told to the desk: what it orders, and when. The desk knows no PBX; here is the proof."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId
from tests.calls.story import ALICE, BOB, NOTICE, STATION
from tests.freeswitch import vectors
from tests.freeswitch.heard import TRAINEES, Event, Site, channels, heard, index, ns, own

REC = RecordingId("rec1")
CALL = "01_answered_caller_hangup"


def at_desk(site: Site, leg: ChannelId, at_ns: int) -> Site:
    """The workstation films and the tap delivers."""
    desk = site.story.desk
    site.story.also(desk.capture_started(REC, at_ns)).also(desk.audio_started(leg, at_ns))
    desk.picture_seen(REC, at_ns)
    return site


def sealed(site: Site, at_ns: int) -> Site:
    """The last pictures came and the file is closed."""
    site.story.also(site.story.desk.capture_ended(REC, at_ns, None))
    site.story.also(site.story.desk.sealed(REC, at_ns, 1))
    return site


def told(site: Site, *kinds: type) -> list[object]:
    return list(site.orders(*kinds))


def ledger(site: Site) -> list[tuple[object, Outcome, Reason]]:
    return [
        (order.trainee, order.outcome, order.reason)
        for order in site.story.orders
        if isinstance(order, co.WriteLedger)
    ]


def from_to(site: Site) -> tuple[int, int, Reason]:
    """When the recording's talk begins and ends, and why."""
    (opened,) = (order for order in site.story.orders if isinstance(order, co.OpenRecording))
    (closed,) = (order for order in site.story.orders if isinstance(order, co.CloseRecording))
    return opened.start_ns, closed.end_ns, closed.reason


@pytest.mark.parametrize(
    ("name", "who"), [(CALL, 0), ("02_answered_agent_hangup", 1)], ids=["the caller", "the agent"]
)
def test_a_call_is_recorded_from_the_bridge_to_the_hang_up(name: str, who: int) -> None:
    events = heard(name)
    both = channels(events)
    begin, end = ns(events, "CHANNEL_BRIDGE"), ns(events, "CHANNEL_HANGUP", both[who])
    cut = index(events, "CHANNEL_BRIDGE")
    site = Site() >> events[:cut]
    assert told(site, co.StartCapture, co.StartAudio, co.OpenRecording) == []
    assert told(site, co.PrepareCapture, co.OfferPrivate) == [
        co.PrepareCapture(ALICE),
        co.OfferPrivate(both[1]),
    ]
    at_desk(site >> events[cut : cut + 1], both[1], begin) >> events[cut + 1 :]
    sealed(site, end + 10**9)
    assert from_to(site) == (begin, end, Reason.HUNG_UP)
    assert ledger(site) == [(ALICE, Outcome.RECORDED, Reason.HUNG_UP)]
    assert [order.leg for order in told(site, co.StartAudio) if isinstance(order, co.StartAudio)] == [both[1]]


@pytest.mark.parametrize("name", ["03_no_answer", "04_busy", "05_abandon_ringing"])
def test_a_call_nobody_answered_has_one_line_and_no_recording(name: str) -> None:
    site = Site() >> heard(name)
    assert ledger(site) == [(ALICE, Outcome.NOT_RECORDED, Reason.NO_ANSWER)]
    assert told(site, co.StartCapture, co.OpenRecording) == []


def test_who_was_not_told_is_not_recorded() -> None:
    site = Site() >> heard(CALL, notice=False)
    assert ledger(site) == [(ALICE, Outcome.NOT_RECORDED, Reason.NO_NOTICE)]
    assert told(site, co.StartCapture) == []


def test_a_site_that_records_itself_is_left_alone() -> None:
    """The recorded site did. Positive control: every other story here leaves its recorder out."""
    events = vectors.events(CALL)
    at = index(events, "CHANNEL_CREATE")
    notice = own("notice", events[at]["Unique-ID"], events[at], Notice="0123abcd")
    site = Site() >> [*events[: at + 1], notice, *events[at + 1 :]]
    assert ledger(site) == [(ALICE, Outcome.NOT_RECORDED, Reason.FOREIGN_RECORDER)]


def test_hold_pauses_at_once_and_resume_resumes() -> None:
    events = heard("06_hold_unhold")
    _, agent = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE")) >> events[cut:]
    end = ns(events, "CHANNEL_HANGUP", agent)
    sealed(site, end)
    assert told(site, co.MarkPause, co.MarkTalk) == [
        co.MarkPause(REC, ns(events, "CHANNEL_HOLD"), hold=True),
        co.MarkTalk(REC, ns(events, "CHANNEL_UNHOLD")),
    ]
    assert from_to(site) == (ns(events, "CHANNEL_BRIDGE"), end, Reason.HUNG_UP)


def test_a_blind_transfer_ends_the_recording_and_the_next_agent_has_a_call_of_their_own() -> None:
    events = heard("07_blind_transfer")
    _, first, _ = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], first, ns(events, "CHANNEL_BRIDGE")) >> events[cut:]
    end = ns(events, "CHANNEL_HANGUP", first)
    sealed(site, end)
    assert from_to(site) == (ns(events, "CHANNEL_BRIDGE"), end, Reason.TRANSFERRED)
    assert ledger(site) == [
        (BOB, Outcome.NOT_RECORDED, Reason.NO_STATION),
        (ALICE, Outcome.RECORDED, Reason.TRANSFERRED),
    ]
    assert site.story.rolls == 2


def test_who_objects_after_a_transfer_objects_to_what_was_recorded_before() -> None:
    events = heard("07_blind_transfer")
    customer, first, second = channels(events)
    cut, late = index(events, "CHANNEL_BRIDGE") + 1, index(events, "CHANNEL_HANGUP", second)
    site = at_desk(Site() >> events[:cut], first, ns(events, "CHANNEL_BRIDGE")) >> events[cut:late]
    sealed(site, ns(events, "CHANNEL_HANGUP", first))
    assert told(site, co.DiscardRecording) == []
    site >> [own("objection", customer, events[late])]
    assert co.DiscardRecording(REC, Reason.OBJECTION) in site.story.orders


def test_an_outbound_call_is_recorded_once_the_customer_was_told() -> None:
    events = heard("09_outbound_by_agent", notice=False)
    agent, customer = channels(events)
    cut = index(events, "CHANNEL_ANSWER", customer) + 1
    notice = own("notice", customer, events[cut], Notice="0123abcd")
    site = Site() >> events[:cut]
    assert told(site, co.PlayOutboundNotice) == [co.PlayOutboundNotice(agent, customer)]
    bridged = index(events, "CHANNEL_BRIDGE") + 1
    at_desk(site >> [notice, *events[cut:bridged]], agent, ns(events, "CHANNEL_BRIDGE")) >> events[bridged:]
    end = ns(events, "CHANNEL_HANGUP", agent)
    sealed(site, end)
    assert from_to(site) == (ns(events, "CHANNEL_BRIDGE"), end, Reason.HUNG_UP)


def test_a_queues_call_is_its_agents_and_the_abandoned_one_has_a_line() -> None:
    events = heard("10_callcenter")
    _, agent, *_ = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE")) >> events[cut:]
    sealed(site, ns(events, "CHANNEL_HANGUP", agent))
    start, _, reason = from_to(site)
    assert (start, reason) == (ns(events, "CHANNEL_BRIDGE"), Reason.HUNG_UP)
    assert sorted(ledger(site), key=repr) == sorted(
        [(ALICE, Outcome.RECORDED, Reason.HUNG_UP), (ALICE, Outcome.NOT_RECORDED, Reason.NO_ANSWER)], key=repr
    )


def test_another_agents_name_on_the_trainees_phone_is_nobodys_call() -> None:
    other = (replace(TRAINEES[0], member="somebody@else"), TRAINEES[1])
    site = Site(trainees=other) >> heard("10_callcenter")
    assert told(site, co.StartCapture, co.PrepareCapture, co.WriteLedger) == []


def test_who_objects_in_the_notice_is_not_recorded() -> None:
    """The recorded caller pressed the key: the site reported it in its own word, ours is put in its place."""
    events = heard("18_optout_pressed9", notice=False)
    at = index(events, "recorder::consent")
    events[at] = own("objection", events[at]["Unique-ID"], events[at])
    site = Site() >> events
    assert ledger(site) == [(ALICE, Outcome.NOT_RECORDED, Reason.OBJECTION)]
    assert told(site, co.StartCapture) == []


@pytest.mark.parametrize(
    ("word", "on", "reason"),
    [
        ("objection", 0, Reason.OBJECTION),
        ("private", 1, Reason.PRIVATE),
        ("never", 0, Reason.NEVER_RECORD),
        ("never", 1, Reason.NEVER_RECORD),
    ],
)
def test_a_word_during_the_call_destroys_what_exists_and_the_call_goes_on(
    word: str, on: int, reason: Reason
) -> None:
    events = heard(CALL)
    both = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], both[1], ns(events, "CHANNEL_BRIDGE"))
    site >> [own(word, both[on], events[cut])] >> events[cut:]
    assert co.DiscardRecording(REC, reason) in site.story.orders
    assert ledger(site) == [(ALICE, Outcome.DISCARDED, reason)]


def test_a_private_call_is_not_what_the_customers_phone_says() -> None:
    """Positive control: the one above. The word counts on the trainee's own channel only."""
    events = heard(CALL)
    customer, agent = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE"))
    site >> [own("private", customer, events[cut])]
    assert told(site, co.DiscardRecording) == []


def test_a_payment_pauses_from_its_own_moment() -> None:
    events = heard("06_hold_unhold")
    customer, agent = channels(events)
    cut = index(events, "CHANNEL_HOLD")
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE"))
    site >> [own("payment", customer, events[cut], Moment="begin")]
    assert told(site, co.MarkPause) == [co.MarkPause(REC, ns(events, "CHANNEL_HOLD"))]
    site >> [own("payment", customer, events[index(events, "CHANNEL_UNHOLD")], Moment="end")]
    assert told(site, co.DiscardRecording) == []


def test_a_number_that_objected_before_is_not_recorded_and_one_that_objects_now_is_noted() -> None:
    events = heard(CALL)
    events[index(events, "CHANNEL_CREATE")]["Caller-Caller-ID-Number"] = "0612345678"
    site = Site() >> events[: index(events, "CHANNEL_BRIDGE") + 1]
    customer, _ = channels(events)
    site >> [own("objection", customer, events[-1])]
    (noted,) = told(site, co.OptOut)
    assert isinstance(noted, co.OptOut)
    born = next(fact for fact in site.facts if isinstance(fact, fa.ChannelBorn))
    assert born.numbers[0] == noted.number


def test_freeswitch_is_killed_and_what_exists_is_kept() -> None:
    """kill -9 sends nothing: the link's end is all there is."""
    events = heard("20_kill9_wav_default")
    _, agent = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE")) >> events[cut:]
    end = ns(events, "CHANNEL_BRIDGE") + 10**9
    sealed(site.told([fa.LinkDown(end, "eof")]), end)
    assert from_to(site) == (ns(events, "CHANNEL_BRIDGE"), end, Reason.LINK_LOST)
    assert ledger(site) == [(ALICE, Outcome.RECORDED, Reason.LINK_LOST)]


def found(table_of: Site, at_ns: int) -> list[fa.Fact]:
    """What a resync reads in the recorded call: both channels as uuid_dump tells them, and the pair."""
    home = vectors.HOME / "30_fifo_and_resync"
    first: Event = json.loads((home / "uuid_dump_x.json").read_text())
    events = vectors.events("30_fifo_and_resync")
    _, agent = channels(events)
    second = events[index(events, "CHANNEL_ANSWER", agent)]
    (row,) = json.loads((home / "show_calls.json").read_text())["rows"]
    return table_of.table.found([first, second], [(row["uuid"], row["b_uuid"])], at_ns)


def test_a_call_found_when_the_link_comes_back_is_never_armed() -> None:
    events = heard("30_fifo_and_resync")
    _, agent = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    begin = ns(events, "CHANNEL_BRIDGE")
    site = at_desk(Site() >> events[:cut], agent, begin)
    lost, back = begin + 10**9, begin + 3 * 10**9
    sealed(site.told([fa.LinkDown(lost, "eof")]), lost)
    site.told(found(site, back)) >> events[index(events, "CHANNEL_HANGUP") :]
    assert from_to(site) == (begin, lost, Reason.LINK_LOST)
    assert ledger(site) == [(ALICE, Outcome.RECORDED, Reason.LINK_LOST)]


def test_a_bridge_that_starts_in_the_middle_of_a_call_writes_its_line_and_records_nothing() -> None:
    events = heard("30_fifo_and_resync")
    _, agent = channels(events)
    site = Site()
    site.told(found(site, ns(events, "CHANNEL_BRIDGE"))) >> events[index(events, "CHANNEL_HANGUP", agent) :]
    assert ledger(site) == [(ALICE, Outcome.NOT_RECORDED, Reason.LINK_LOST)]
    assert told(site, co.StartCapture) == []
    assert [fact for fact in site.facts if isinstance(fact, fa.BridgeEntered)] != []


def test_an_event_that_cannot_be_read_ends_the_recording_it_touches() -> None:
    events = heard("06_hold_unhold")
    _, agent = channels(events)
    cut = index(events, "CHANNEL_BRIDGE") + 1
    site = at_desk(Site() >> events[:cut], agent, ns(events, "CHANNEL_BRIDGE"))
    broken = dict(events[index(events, "CHANNEL_HOLD")], **{"Unique-ID": ""})
    site >> [broken]
    (stopped,) = told(site, co.StopCapture)
    assert stopped == co.StopCapture(STATION, REC, Reason.UNREADABLE)


def test_two_calls_of_two_trainees_at_once_do_not_touch_each_other() -> None:
    """The same recorded call twice, interleaved; the second one's channels and agent are others."""
    one = heard("06_hold_unhold")

    def other(text: str) -> str:
        return text.replace("14378b95", "24378b95").replace("e08f47e8", "f08f47e8").replace("1001", "1002")

    two = [{key: other(value) for key, value in event.items()} for event in one]
    site = Site()
    site.story.desk.station_seen(
        STATION, BOB, active=True, locked=False, acknowledged=NOTICE
    )  # Alice's desk is Bob's now
    held = index(one, "CHANNEL_HOLD")
    for mine, his in zip(one[:held], two[:held], strict=True):
        site >> [mine] >> [his]
    (opened,) = told(site, co.OpenRecording)
    assert isinstance(opened, co.OpenRecording)
    assert opened.leg == channels(two)[1]
    site >> one[held : held + 1]
    assert told(site, co.MarkPause) == []
    site >> two[held : held + 1]
    assert told(site, co.MarkPause) == [co.MarkPause(opened.recording, ns(two, "CHANNEL_HOLD"), hold=True)]
