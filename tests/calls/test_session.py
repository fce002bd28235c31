"""One call after another, told as conversations with the desk."""

from __future__ import annotations

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import events as ev
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls import rules
from pbx_bridge.calls.permit import NoticeEvent
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId
from tests.calls.story import (
    AGENT,
    ALICE,
    CALLER_NOTICE,
    CUSTOMER,
    NOTICE,
    OTHER,
    SECOND,
    SECOND_NS,
    STATION,
    Story,
    agent_hangs_up,
    answers,
    customer_hangs_up,
    rings,
)

REC = RecordingId("rec1")


def recording() -> Story:
    """A call that is being recorded since second 1, both tracks running."""
    story = Story() >> rings() >> answers(1)
    story.also(story.desk.capture_started(REC, SECOND_NS)).also(story.desk.audio_started(AGENT, SECOND_NS))
    story.desk.picture_seen(REC, SECOND_NS)
    story.orders.clear()
    return story


def ends(at: int, reason: Reason) -> list[co.Command]:
    """The orders of a normal end: stop the three tracks, wait for the last pictures."""
    return [
        co.StopCapture(STATION, REC, reason),
        co.StopAudio(AGENT),
        co.UnwatchLeg(AGENT),
        co.CancelTimer(AGENT, "start"),
        co.CancelTimer(AGENT, "ceiling"),
        co.CancelTimer(AGENT, "apart"),
        co.CancelTimer(AGENT, "payment"),
        co.SetTimer(AGENT, "stop", at + rules.STOP_LIMIT_NS),
    ]


def test_an_answered_call_is_filmed_from_the_bridge_and_nothing_is_ordered_before() -> None:
    story = Story() >> rings()
    story << [co.PrepareCapture(ALICE), co.OfferPrivate(AGENT)]
    story >> [fa.ChannelUp(SECOND_NS, AGENT), fa.BridgeEntered(SECOND_NS, AGENT, "b1")]
    story << []
    story >> fa.BridgeEntered(SECOND_NS, CUSTOMER, "b1")
    permit = story.orders[0].permit  # type: ignore[union-attr]
    assert permit.notice == NoticeEvent(CUSTOMER, CALLER_NOTICE)
    story << [
        co.StartCapture(STATION, REC, permit),
        co.OpenRecording(REC, AGENT, permit, SECOND_NS),
        co.StartAudio(AGENT, REC),
        co.WatchLeg(AGENT),
        co.SetTimer(AGENT, "start", SECOND_NS + rules.START_LIMIT_NS),
        co.SetTimer(AGENT, "ceiling", SECOND_NS + 20 * 60 * SECOND_NS),
    ]


def test_the_customer_hangs_up_and_the_file_ends_there() -> None:
    story = recording() >> customer_hangs_up(5)
    at = 5 * SECOND_NS
    story << [
        co.PauseCapture(STATION, REC),
        co.MarkPause(REC, at),
        co.SetTimer(AGENT, "apart", at + rules.APART_LIMIT_NS),
        *ends(at + 1, Reason.HUNG_UP),
    ]
    story.also(story.desk.capture_ended(REC, at + 9, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, at, Reason.HUNG_UP)]
    story.also(story.desk.sealed(REC, at + 10, 4 * SECOND_NS))
    story << [co.WriteLedger(AGENT, ALICE, REC, Outcome.RECORDED, Reason.HUNG_UP, 4 * SECOND_NS)]


def test_the_agents_channel_lives_on_thirty_seconds_and_none_of_it_is_in_the_file() -> None:
    story = recording() >> customer_hangs_up(5)[:2]
    story.orders.clear()
    story.also(story.desk.capture_ended(REC, 6 * SECOND_NS, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, 5 * SECOND_NS, Reason.HUNG_UP)]
    story.also(story.desk.sealed(REC, 6 * SECOND_NS, 4 * SECOND_NS))
    assert len(story.ledger()) == 1
    story >> fa.ChannelGone(35 * SECOND_NS, AGENT, 16)
    story << []


def test_hold_pauses_and_resume_resumes_with_the_same_party() -> None:
    story = recording() >> fa.Held(3 * SECOND_NS, AGENT)
    story << [
        co.PauseCapture(STATION, REC),
        co.MarkPause(REC, 3 * SECOND_NS, hold=True),
        co.CancelTimer(AGENT, "apart"),
    ]
    story >> fa.Unheld(4 * SECOND_NS, AGENT)
    story << [
        co.CancelTimer(AGENT, "apart"),
        co.MarkTalk(REC, 4 * SECOND_NS),
        co.ResumeCapture(STATION, REC),
    ]
    story >> fa.Held(5 * SECOND_NS, CUSTOMER)
    assert story.kinds() == ["PauseCapture", "MarkPause", "CancelTimer"]


def test_hang_up_while_on_hold_ends_the_file_at_the_hold() -> None:
    story = recording() >> fa.Held(3 * SECOND_NS, AGENT) >> agent_hangs_up(9)
    story.orders.clear()
    story.also(story.desk.capture_ended(REC, 9 * SECOND_NS, None))
    assert co.CloseRecording(REC, 3 * SECOND_NS, Reason.HUNG_UP) in story.orders


def test_unhold_without_hold_before_a_blind_transfer_ends_as_transferred() -> None:
    story = recording() >> fa.Unheld(3 * SECOND_NS, AGENT)
    story << []
    story >> fa.Transferred(3 * SECOND_NS, (AGENT,))
    story << ends(3 * SECOND_NS, Reason.TRANSFERRED)
    story >> customer_hangs_up(4)
    story << []


def test_an_answer_that_nobody_talked_to_is_no_talk_and_waits_for_the_end_of_the_call() -> None:
    story = Story() >> rings() >> [fa.ChannelUp(SECOND_NS, AGENT), fa.ChannelGone(2 * SECOND_NS, AGENT, 16)]
    assert story.ledger() == []
    story >> fa.ChannelGone(3 * SECOND_NS, CUSTOMER, 16)
    assert [line.reason for line in story.ledger()] == [Reason.NO_TALK]


def test_parking_by_a_transfer_is_parking_in_whichever_order_the_pbx_tells_it() -> None:
    parked, given = fa.Parked(3 * SECOND_NS, CUSTOMER), fa.Transferred(3 * SECOND_NS, (AGENT,))
    orders: tuple[tuple[fa.Fact, ...], ...] = ((parked, given), (given, parked))
    for told in orders:
        story = recording() >> told
        story.also(story.desk.capture_ended(REC, 3 * SECOND_NS, None))
        story.also(story.desk.sealed(REC, 4 * SECOND_NS, 2 * SECOND_NS))
        assert [line.reason for line in story.ledger()] == [Reason.PARKED]


def test_no_answer_gives_one_line_when_the_customer_is_gone() -> None:
    story = Story() >> rings() >> fa.ChannelGone(2 * SECOND_NS, AGENT, 0)
    story << [co.PrepareCapture(ALICE), co.OfferPrivate(AGENT)]
    story >> fa.ChannelGone(3 * SECOND_NS, CUSTOMER, 0)
    story << [co.WriteLedger(AGENT, ALICE, None, Outcome.NOT_RECORDED, Reason.NO_ANSWER, 0)]


def test_two_phones_of_one_agent_are_one_draw_and_one_line() -> None:
    second: list[fa.Fact] = [
        fa.ChannelBorn(0, SECOND, "PJSIP/211", False, "internal"),
        fa.Dialled(0, CUSTOMER, SECOND),
        fa.ChannelRinging(0, SECOND),
    ]
    story = Story() >> rings() >> second >> fa.ChannelGone(SECOND_NS, SECOND, 26) >> answers(1)
    assert story.rolls == 1
    assert story.kinds()[4:6] == ["StartCapture", "OpenRecording"]
    story.also(story.desk.capture_started(REC, SECOND_NS)).also(story.desk.audio_started(AGENT, SECOND_NS))
    story >> customer_hangs_up(5)
    story.also(story.desk.capture_ended(REC, 5 * SECOND_NS, None))
    story.also(story.desk.sealed(REC, 5 * SECOND_NS, SECOND_NS))
    assert [line.outcome for line in story.ledger()] == [Outcome.RECORDED]


def test_a_call_that_was_not_drawn_stays_unrecorded_whatever_comes() -> None:
    story = (
        Story(roll=0.9)
        >> rings()
        >> answers(1)
        >> fa.Held(2 * SECOND_NS, AGENT)
        >> fa.Unheld(2 * SECOND_NS, AGENT)
    )
    story << []
    story >> agent_hangs_up(3)
    story << [co.WriteLedger(AGENT, ALICE, None, Outcome.NOT_RECORDED, Reason.NOT_DRAWN, 0)]


def test_without_the_callers_notice_nothing_is_recorded() -> None:
    facts = [fact for fact in rings() if not isinstance(fact, fa.NoticeHeard)]
    story = Story() >> facts >> answers(1) >> agent_hangs_up(4)
    story << [
        co.PrepareCapture(ALICE),
        co.OfferPrivate(AGENT),
        co.WriteLedger(AGENT, ALICE, None, Outcome.NOT_RECORDED, Reason.NO_NOTICE, 0),
    ]


def test_an_objection_in_the_call_destroys_what_exists() -> None:
    story = recording() >> fa.CallerObjected(3 * SECOND_NS, CUSTOMER)
    assert co.DiscardRecording(REC, Reason.OBJECTION) in story.orders
    assert story.ledger() == [co.WriteLedger(AGENT, ALICE, REC, Outcome.DISCARDED, Reason.OBJECTION, 0)]
    story >> agent_hangs_up(5)
    story << []


def test_a_third_party_pauses_at_once_and_ends_if_it_stays() -> None:
    story = recording() >> fa.ChannelBorn(3 * SECOND_NS, OTHER, "PJSIP/boss", False, "internal")
    story >> fa.BridgeEntered(3 * SECOND_NS, OTHER, "b1")
    assert story.kinds() == ["PauseCapture", "MarkPause", "SetTimer"]
    story.also(story.desk.timer(AGENT, "apart", 5 * SECOND_NS))
    story << ends(5 * SECOND_NS, Reason.THIRD_PARTY)


def test_a_local_member_behind_two_bridges_is_one_conversation() -> None:
    one, two = ChannelId("l1"), ChannelId("l2")
    story = Story() >> [
        fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk"),
        fa.NoticeHeard(0, CUSTOMER, CALLER_NOTICE),
        fa.ChannelBorn(0, one, "", True, "agents"),
        fa.ChannelBorn(0, two, "", True, "agents"),
        fa.LocalPaired(0, one, two),
        fa.Dialled(0, CUSTOMER, one),
        fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal"),
        fa.Dialled(0, two, AGENT),
        fa.ChannelRinging(0, AGENT),
        fa.BridgeEntered(SECOND_NS, two, "inner"),
        fa.BridgeEntered(SECOND_NS, AGENT, "inner"),
        fa.BridgeEntered(2 * SECOND_NS, one, "outer"),
    ]
    story << [co.PrepareCapture(ALICE), co.OfferPrivate(AGENT)]
    story >> fa.BridgeEntered(2 * SECOND_NS, CUSTOMER, "outer")
    assert story.kinds()[0] == "StartCapture"
    story >> fa.BridgeLeft(4 * SECOND_NS, CUSTOMER, "outer")
    assert story.kinds()[0] == "PauseCapture"


def test_call_pickup_belongs_to_the_phone_that_enters_the_bridge() -> None:
    story = Story() >> rings(to="PJSIP/202")
    story >> [
        fa.BridgeEntered(SECOND_NS, AGENT, "b1", "PJSIP/201"),
        fa.BridgeEntered(SECOND_NS, CUSTOMER, "b1"),
    ]
    permits = [order.permit for order in story.orders if isinstance(order, co.StartCapture)]
    assert [permit.plan.trainee for permit in permits] == [ALICE]


def test_a_lost_lease_keeps_what_precedes_the_last_picture() -> None:
    story = recording()
    story.desk.picture_seen(REC, 4 * SECOND_NS)
    story.also(story.desk.lease_lost(STATION, 7 * SECOND_NS))
    assert story.orders[-1] == co.CloseRecording(REC, 5 * SECOND_NS, Reason.LEASE_LOST)


def test_a_locked_desktop_is_told_to_stop_and_may_film_the_next_call() -> None:
    story = recording()
    story.desk.desktop_changed(STATION, active=True, locked=True)
    story.also(story.desk.desktop_locked(STATION, 4 * SECOND_NS))
    story << ends(4 * SECOND_NS, Reason.STATION_LOCKED)
    story.also(story.desk.capture_ended(REC, 4 * SECOND_NS, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, 4 * SECOND_NS, Reason.STATION_LOCKED)]
    story.desk.desktop_changed(STATION, active=True, locked=False)
    assert not story.desk.stations_of(ALICE)[0].locked


def test_a_lost_pbx_link_ends_and_what_is_found_afterwards_is_never_armed() -> None:
    story = recording() >> fa.LinkDown(4 * SECOND_NS, "eof")
    assert story.kinds() == [type(order).__name__ for order in ends(0, Reason.LINK_LOST)]
    story.also(story.desk.capture_ended(REC, 4 * SECOND_NS, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, 4 * SECOND_NS, Reason.LINK_LOST)]
    found = (fa.ChannelBorn(5 * SECOND_NS, AGENT, "PJSIP/201", False, "internal"),)
    story >> fa.LinkUp(5 * SECOND_NS, found) >> answers(6)
    story << []


def test_a_link_that_comes_back_without_a_word_of_its_loss_ends_what_there_was() -> None:
    """P10: what happened between is not known."""
    story = recording() >> fa.LinkUp(4 * SECOND_NS, ())
    story << ends(4 * SECOND_NS, Reason.LINK_LOST)


def test_what_cannot_be_read_and_belongs_to_nobody_known_stops_every_call() -> None:
    """P10: it may concern any of them."""
    for channel in (None, ChannelId("never seen before")):
        story = recording() >> fa.Unreadable(4 * SECOND_NS, channel, "Newstate")
        story << ends(4 * SECOND_NS, Reason.UNREADABLE)


def test_a_call_found_at_the_start_gets_its_line() -> None:
    story = Story() >> fa.LinkUp(0, (fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal"),))
    story >> fa.ChannelGone(SECOND_NS, AGENT, 16)
    story << [co.WriteLedger(AGENT, ALICE, None, Outcome.NOT_RECORDED, Reason.LINK_LOST, 0)]


def test_a_call_that_was_found_is_not_armed_by_another_leg_either() -> None:
    """P10: whoever waited when the link came back may stand on a never-record line, or be recorded by somebody else."""
    waiting = fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk")
    story = Story() >> fa.LinkUp(0, (waiting,)) >> rings(1) >> answers(2) >> agent_hangs_up(3)
    assert [line.reason for line in story.ledger()] == [Reason.LINK_LOST]
    assert story.rolls == 0


def test_a_vanished_phone_pauses_after_ten_seconds_and_ends_after_thirty() -> None:
    story = recording() >> fa.LegSilent(12 * SECOND_NS, AGENT, 10 * SECOND_NS)
    assert story.kinds()[:2] == ["PauseCapture", "MarkPause"]
    story >> fa.LegSilent(32 * SECOND_NS, AGENT, 30 * SECOND_NS)
    story << ends(32 * SECOND_NS, Reason.AGENT_UNREACHABLE)


def test_a_station_films_again_while_the_first_file_still_waits_to_be_sealed() -> None:
    """A full disk or a slow keeper holds up one file, not the next call; until its last pictures came it does."""
    story = recording() >> agent_hangs_up(5)
    story >> rings(6, SECOND, OTHER) >> answers(7, SECOND, OTHER, "b2")
    assert "StartCapture" not in story.kinds()
    story >> agent_hangs_up(8, SECOND, OTHER)
    assert [line.reason for line in story.ledger()] == [Reason.BUSY_STATION]
    story.also(story.desk.capture_ended(REC, 9 * SECOND_NS, None))
    agent, customer = ChannelId("a3"), ChannelId("c3")
    story >> rings(10, agent, customer) >> answers(11, agent, customer, "b3")
    assert "StartCapture" in story.kinds()


def test_stations_that_may_not_film() -> None:
    for changes, reason in (
        ({"locked": True}, Reason.STATION_LOCKED),
        ({"active": False}, Reason.STATION_LOCKED),
        ({"acknowledged": "older"}, Reason.NOT_ACKNOWLEDGED),
    ):
        story = Story().station(**changes) >> rings() >> answers(1) >> agent_hangs_up(2)
        assert [line.reason for line in story.ledger()] == [reason]
    story = Story(station=False) >> rings() >> answers(1) >> agent_hangs_up(2)
    assert [line.reason for line in story.ledger()] == [Reason.NO_STATION]


def test_audio_that_never_comes_leaves_nothing() -> None:
    story = Story() >> rings() >> answers(1)
    story.also(story.desk.capture_started(REC, SECOND_NS))
    story.orders.clear()
    story.also(story.desk.timer(AGENT, "start", 3 * SECOND_NS))
    assert co.DiscardRecording(REC, Reason.AUDIO_MISSING) in story.orders
    assert [line.reason for line in story.ledger()] == [Reason.AUDIO_MISSING]


def test_a_drawn_outbound_call_plays_the_notice_and_is_filmed_from_the_bridge() -> None:
    outbound: list[fa.Fact] = [
        fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal"),
        fa.ChannelUp(0, AGENT),
        fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk"),
        fa.Dialled(0, AGENT, CUSTOMER),
    ]
    story = Story() >> outbound
    story << [co.PrepareCapture(ALICE), co.OfferPrivate(AGENT), co.PlayOutboundNotice(AGENT, CUSTOMER)]
    story >> [fa.ChannelUp(SECOND_NS, CUSTOMER), fa.NoticeHeard(3 * SECOND_NS, CUSTOMER, CALLER_NOTICE)]
    story << []
    story >> answers(3)
    assert story.kinds()[0] == "StartCapture"


def test_a_sites_own_recorder_on_the_leg_refuses_unless_it_is_allowed() -> None:
    story = Story() >> rings() >> fa.ForeignRecorder(0, AGENT) >> answers(1) >> agent_hangs_up(2)
    assert [line.reason for line in story.ledger()] == [Reason.FOREIGN_RECORDER]
    story = Story(foreign_recorders_allowed=True) >> rings() >> fa.ForeignRecorder(0, AGENT) >> answers(1)
    assert story.kinds()[2] == "StartCapture"


def test_silence_on_hold_is_not_a_vanished_phone() -> None:
    story = recording() >> fa.Held(3 * SECOND_NS, AGENT)
    story.orders.clear()
    story >> fa.LegSilent(40 * SECOND_NS, AGENT, 37 * SECOND_NS)
    story << []
    story >> fa.Unheld(41 * SECOND_NS, AGENT)
    assert story.kinds() == ["CancelTimer", "MarkTalk", "ResumeCapture"]
    story >> fa.LegSilent(42 * SECOND_NS, AGENT, 39 * SECOND_NS)
    story << []


def test_another_person_named_at_the_phone_before_it_rings_is_never_taken_for_its_owner() -> None:
    for named in (fa.PersonNamed(0, AGENT, "Bob"), fa.PersonNamed(0, AGENT, "Nobody known", by_site=True)):
        facts = rings()
        facts.insert(3, named)
        story = Story() >> facts >> answers(1) >> agent_hangs_up(2)
        assert [line.reason for line in story.ledger()] == [Reason.PERSON_CONFLICT]


def test_what_cannot_be_read_before_the_ring_forbids_too() -> None:
    facts = rings()
    facts.insert(3, fa.Unreadable(0, AGENT, "Newstate"))
    story = Story() >> facts >> answers(1) >> agent_hangs_up(2)
    assert [line.reason for line in story.ledger()] == [Reason.UNREADABLE]


def through_a_local_channel(said: list[fa.Fact]) -> Story:
    """A queue calls its member through Local/…/n; `said` comes of one of its halves before the phone is dialled."""
    one, two = ChannelId("l1"), ChannelId("l2")
    begin: list[fa.Fact] = [
        fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk"),
        fa.NoticeHeard(0, CUSTOMER, CALLER_NOTICE),
        fa.ChannelBorn(0, one, "", True, "agents"),
        fa.ChannelBorn(0, two, "", True, "agents"),
        fa.LocalPaired(0, one, two),
        fa.Dialled(0, CUSTOMER, one),
    ]
    end: list[fa.Fact] = [
        fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal"),
        fa.Dialled(0, two, AGENT),
        fa.ChannelRinging(0, AGENT),
        fa.BridgeEntered(SECOND_NS, two, "inner"),
        fa.BridgeEntered(SECOND_NS, AGENT, "inner"),
        fa.BridgeEntered(2 * SECOND_NS, one, "outer"),
        fa.BridgeEntered(2 * SECOND_NS, CUSTOMER, "outer"),
    ]
    return Story() >> begin >> said >> end


def test_what_is_said_on_a_local_half_counts_for_the_phone_it_leads_to() -> None:
    for half in (ChannelId("l1"), ChannelId("l2")):
        said: tuple[tuple[fa.Fact, Reason], ...] = (
            (fa.NeverRecord(0, half), Reason.NEVER_RECORD),
            (fa.ForeignRecorder(0, half), Reason.FOREIGN_RECORDER),
            (fa.PersonNamed(0, half, "Bob"), Reason.PERSON_CONFLICT),
        )
        for fact, reason in said:
            story = through_a_local_channel([fact]) >> fa.ChannelGone(3 * SECOND_NS, AGENT, 16)
            assert [line.reason for line in story.ledger()] == [reason], (half, fact)
    assert "StartCapture" in through_a_local_channel([fa.PersonNamed(0, ChannelId("l1"), "Alice")]).kinds()


def test_a_foreign_recorder_started_on_a_local_half_in_the_call_ends_it() -> None:
    story = through_a_local_channel([])
    story.orders.clear()
    story >> fa.ForeignRecorder(4 * SECOND_NS, ChannelId("l2"))
    assert story.kinds()[0] == "StopCapture"


def transferred_and_sealed() -> Story:
    story = recording() >> fa.Transferred(3 * SECOND_NS, (AGENT,))
    story.also(story.desk.capture_ended(REC, 3 * SECOND_NS, None))
    story.also(story.desk.sealed(REC, 3 * SECOND_NS, 2 * SECOND_NS))
    story >> [fa.BridgeLeft(3 * SECOND_NS, AGENT, "b1"), fa.ChannelGone(3 * SECOND_NS, AGENT, 16)]
    story.orders.clear()
    return story


def test_an_objection_after_the_transfer_destroys_the_earlier_agents_recording() -> None:
    story = transferred_and_sealed() >> fa.CallerObjected(9 * SECOND_NS, CUSTOMER)
    story << [
        co.DiscardRecording(REC, Reason.OBJECTION),
        co.WriteLedger(AGENT, ALICE, REC, Outcome.DISCARDED, Reason.OBJECTION, 0),
        co.EraseNoted(CUSTOMER),
    ]
    story >> fa.CallerObjected(10 * SECOND_NS, CUSTOMER)
    story << [co.EraseNoted(CUSTOMER)]


def test_an_objection_is_of_that_caller_while_that_caller_is_there() -> None:
    story = transferred_and_sealed() >> fa.CallerObjected(9 * SECOND_NS, OTHER)
    story << [co.EraseNoted(OTHER)]
    story >> fa.ChannelGone(10 * SECOND_NS, CUSTOMER, 16) >> fa.CallerObjected(11 * SECOND_NS, CUSTOMER)
    story << [co.EraseNoted(CUSTOMER)]


def test_the_trainees_key_does_what_the_button_does() -> None:
    by_key = recording() >> fa.AgentObjected(3 * SECOND_NS, AGENT)
    by_button = recording()
    by_button.also(by_button.desk.private(STATION, 3 * SECOND_NS) or [])
    assert by_key.orders == by_button.orders
    assert co.DiscardRecording(REC, Reason.PRIVATE) in by_key.orders
    assert co.EraseCall(AGENT, ALICE) in by_key.orders
    by_key.orders.clear()
    by_key >> fa.AgentObjected(4 * SECOND_NS, AGENT)
    by_key << [co.EraseCall(AGENT, ALICE)]


def test_nobody_calls_a_call_private_from_another_phone() -> None:
    """What is asked for an unknown leg finds nothing: a call is noted by its trainee and their leg."""
    story = (
        recording() >> fa.AgentObjected(3 * SECOND_NS, CUSTOMER) >> fa.AgentObjected(3 * SECOND_NS, SECOND)
    )
    story << [co.EraseCall(CUSTOMER, None), co.EraseCall(SECOND, None)]


def test_an_objection_after_a_lost_link_reaches_a_recording_that_is_being_closed() -> None:
    """The switchboard knows the customer again, but not to whom they talk."""
    story = recording() >> fa.LinkDown(4 * SECOND_NS, "eof")
    story >> fa.LinkUp(4 * SECOND_NS, (fa.ChannelBorn(4 * SECOND_NS, CUSTOMER, "PJSIP/trunk", False, "x"),))
    story.orders.clear()
    story >> fa.CallerObjected(4 * SECOND_NS + 1, CUSTOMER)
    assert co.DiscardRecording(REC, Reason.OBJECTION) in story.orders
    assert [line.reason for line in story.ledger()] == [Reason.OBJECTION]


def test_a_private_call_is_that_trainees_alone() -> None:
    story = recording() >> rings(2, SECOND, OTHER, "PJSIP/202") >> answers(3, SECOND, OTHER, "b2")
    story.orders.clear()
    story.also(story.desk.private(STATION, 4 * SECOND_NS) or [])
    asked = [order for order in story.orders if isinstance(order, co.EraseCall)]
    assert asked == [co.EraseCall(AGENT, ALICE)]


def test_an_objection_after_a_lost_link_still_reaches_the_recording() -> None:
    story = recording() >> fa.LinkDown(4 * SECOND_NS, "eof")
    story.also(story.desk.capture_ended(REC, 4 * SECOND_NS, None))
    story.also(story.desk.sealed(REC, 4 * SECOND_NS, 3 * SECOND_NS))
    story >> fa.LinkUp(5 * SECOND_NS, (fa.ChannelBorn(5 * SECOND_NS, CUSTOMER, "PJSIP/trunk", False, "x"),))
    story.orders.clear()
    story >> fa.CallerObjected(6 * SECOND_NS, CUSTOMER)
    assert co.DiscardRecording(REC, Reason.OBJECTION) in story.orders


def test_private_destroys_also_what_ended_before_the_call_did() -> None:
    story = recording()
    story.also(story.desk.timer(AGENT, "ceiling", 4 * SECOND_NS))
    story.also(story.desk.capture_ended(REC, 4 * SECOND_NS, None))
    story.also(story.desk.sealed(REC, 4 * SECOND_NS, 3 * SECOND_NS))
    story.orders.clear()
    story.also(story.desk.private(STATION, 5 * SECOND_NS) or [])
    assert co.DiscardRecording(REC, Reason.PRIVATE) in story.orders
    story >> agent_hangs_up(6)
    assert story.desk.private(STATION, 7 * SECOND_NS) is None


def test_a_station_that_cannot_keep_the_rate_leaves_nothing() -> None:
    story = recording()
    story.also(story.desk.capture_ended(REC, 4 * SECOND_NS, Reason.TOO_FEW_PICTURES))
    assert co.DiscardRecording(REC, Reason.TOO_FEW_PICTURES) in story.orders
    assert [line.outcome for line in story.ledger()] == [Outcome.DISCARDED]


def test_what_is_acknowledged_at_the_station_holds_from_then_on() -> None:
    """P14: not before, and only the present text."""
    for said, reason in (
        (None, Reason.NOT_ACKNOWLEDGED),
        ("another text", Reason.NOT_ACKNOWLEDGED),
        (NOTICE, None),
    ):
        story = Story(station=False).station(acknowledged="an earlier text")
        if said is not None:
            story.desk.acknowledged(STATION, said)
        story >> rings() >> answers(1) >> customer_hangs_up(5)
        opened = "OpenRecording" in [type(order).__name__ for order in story.orders]
        assert opened is (reason is None)
        if reason is not None:
            assert [line.reason for line in story.ledger()] == [reason]


def test_an_event_nobody_expected_ends_the_recording() -> None:
    """P10: in doubt it stops; a call that is not recorded goes on as it was."""
    story = recording()
    unheard_of = ev.OriginGone(3 * SECOND_NS, CUSTOMER)  # the desk keeps it to itself
    story.also(story.desk._sessions[AGENT].handle(unheard_of))
    story << ends(3 * SECOND_NS, Reason.UNREADABLE)
    waiting = Story() >> rings()
    assert waiting.desk._sessions[AGENT].handle(unheard_of) == []


def test_an_objection_while_the_file_is_being_closed_destroys_it() -> None:
    """P16: the agent has hung up, the last pictures are awaited, and the caller is still on the line."""
    story = recording() >> [
        fa.BridgeLeft(2 * SECOND_NS, AGENT, "b1"),
        fa.ChannelGone(2 * SECOND_NS + 1, AGENT, 16),
    ]
    story.orders.clear()
    story >> fa.CallerObjected(3 * SECOND_NS, CUSTOMER)
    assert co.DiscardRecording(REC, Reason.OBJECTION) in story.orders
    (line,) = story.ledger()
    assert (line.outcome, line.reason) == (Outcome.DISCARDED, Reason.OBJECTION)
