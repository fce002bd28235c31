"""The table from FreeSWITCH's events to facts, against recorded streams: whole, damaged, and in words of our own."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls import facts
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.translate import EVENTS, SUBCLASSES, Translator
from tests.freeswitch import vectors

ONE, TWO, THREE, FOUR = (ChannelId(f"{number}" * 8) for number in "1234")
KINDS = (*EVENTS, *SUBCLASSES)


def event(kind: str, channel: str | None = None, **more: str) -> dict[str, str]:
    """`more` has _ for - in the names of headers, except in those of variables."""
    name = {"Event-Name": "CUSTOM", "Event-Subclass": kind} if "::" in kind else {"Event-Name": kind}
    headers = {**name, **({"Unique-ID": channel} if channel else {})}
    return headers | {
        key if key.startswith("variable_") else key.replace("_", "-"): value for key, value in more.items()
    }


def create(channel: str, **more: str) -> dict[str, str]:
    return event(
        "CHANNEL_CREATE",
        channel,
        **{
            "Call_Direction": "inbound",
            "Channel_Name": "sofia/external/anonymous",
            "Caller_Context": "public",
            **more,
        },
    )


def bridge(first: str, second: str, kind: str = "CHANNEL_BRIDGE") -> dict[str, str]:
    up = {"Caller-Channel-Answered-Time": "1", "Other-Leg-Channel-Answered-Time": "1"}
    ids = {"Bridge_A_Unique_ID": first, "Bridge_B_Unique_ID": second, "Call_Direction": "inbound"}
    return {**event(kind, first, **ids), **up}


def born(*channels: str) -> Translator:
    table = Translator(vectors.DIGEST_KEY, vectors.OWN_PIPES)
    for channel in channels:
        table.learn(create(channel), 0)
    return table


def entered(first: str, second: str) -> list[facts.Fact]:
    return [facts.BridgeEntered(5, ChannelId(one), f"{first}+{second}") for one in (first, second)]


def left(first: str, second: str) -> list[facts.Fact]:
    return [facts.BridgeLeft(5, ChannelId(one), f"{first}+{second}") for one in (first, second)]


# ---------------------------------------------------------------- recorded streams


def test_the_streams_are_there() -> None:
    assert len(vectors.names()) >= 12


@pytest.mark.parametrize("name", vectors.names())
def test_a_recorded_stream_gives_its_facts(name: str) -> None:
    got = [vectors.written(fact) for fact in vectors.facts_of(vectors.events(name))]
    assert got == vectors.expected(name)


@pytest.mark.parametrize("name", vectors.names())
def test_no_number_and_no_name_of_a_person_is_in_the_facts(name: str) -> None:
    told = "\n".join(vectors.expected(name))
    for word in ("Kunde", "Agent One", "911001", "0123456", "891001"):
        assert word not in told


@pytest.mark.parametrize("name", vectors.names())
@pytest.mark.parametrize("seed", range(3))
def test_damaged_headers_never_raise(name: str, seed: int) -> None:
    dice = random.Random(f"{name}{seed}")
    table = Translator()
    for heard in vectors.events(name):
        for _ in range(dice.randint(1, 4)):
            header = dice.choice(list(heard))
            heard[header] = dice.choice(["", "\x00", "é" * 300, "x\nEvent-Name: CHANNEL_HANGUP", "-1", "١"])
        assert isinstance(table.learn(heard, 0), list)


@pytest.mark.parametrize("name", vectors.names())
def test_each_entry_has_one_leave_unless_the_channel_is_gone(name: str) -> None:
    inside: set[tuple[ChannelId, str]] = set()
    for fact in vectors.facts_of(vectors.events(name)):
        match fact:
            case facts.BridgeEntered():
                assert (fact.channel, fact.bridge) not in inside
                inside.add((fact.channel, fact.bridge))
            case facts.BridgeLeft():
                inside.remove((fact.channel, fact.bridge))
            case facts.ChannelGone():
                inside = {one for one in inside if one[0] != fact.channel}
    assert not inside or "kill9" in name


def test_what_cannot_be_read_is_said_so() -> None:
    """Positive control of the fuzzing below: without its headers each followed kind says Unreadable."""
    for kind in KINDS:
        assert Translator().learn(event(kind), 5) == [facts.Unreadable(5, None, kind)]


@pytest.mark.parametrize("kind", KINDS)
@given(
    headers=st.dictionaries(
        st.sampled_from(["Unique-ID", "Call-Direction", "Channel-Name", "Action", "Hangup-Cause"]), st.text()
    )
)
def test_a_followed_kind_with_anything_in_it_never_raises(kind: str, headers: dict[str, str]) -> None:
    table = born(ONE)
    table.learn({**headers, **event(kind)}, 5)
    table.learn({**headers, **event(kind, ONE)}, 5)


@given(st.dictionaries(st.text(), st.text()))
def test_anything_else_says_nothing(headers: dict[str, str]) -> None:
    headers.pop("Event-Name", None)
    assert Translator().learn(headers, 0) == []


# ---------------------------------------------------------------- channels


@pytest.mark.parametrize(
    ("headers", "endpoint"),
    [
        ({}, "sofia/external"),
        ({"Channel_Name": "sofia/external/0612345678@192.0.2.1"}, "sofia/external"),
        ({"Channel_Name": "verto.rtc/1001@pbx"}, "verto.rtc"),
        ({"variable_user_name": "1001"}, "user/1001"),
        ({"variable_user_name": "1001", "variable_domain_name": "a.example"}, "user/1001@a.example"),
        ({"variable_dialed_user": "1001", "variable_dialed_domain": "a.example"}, "sofia/external"),
        (
            {
                "Call_Direction": "outbound",
                "variable_dialed_user": "1001",
                "variable_dialed_domain": "a.example",
            },
            "user/1001@a.example",
        ),
        ({"Call_Direction": "outbound", "variable_user_name": "1001"}, "sofia/external"),
    ],
)
def test_the_endpoint_is_the_user_on_the_side_that_has_one(headers: dict[str, str], endpoint: str) -> None:
    first, *_ = Translator().learn(create(ONE, **headers), 5)
    assert isinstance(first, facts.ChannelBorn)
    assert (first.endpoint, first.local_half) == (endpoint, False)


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"Other_Type": "originator", "Other_Leg_Unique_ID": TWO}, TWO),
        ({"Other_Type": "originatee", "Other_Leg_Unique_ID": TWO}, ""),
        ({"variable_cc_member_session_uuid": THREE}, THREE),
        ({}, ""),
    ],
)
def test_who_dialled(headers: dict[str, str], caller: str) -> None:
    *_, last = Translator().learn(create(ONE, Call_Direction="outbound", **headers), 5)
    assert last == facts.Dialled(5, ChannelId(caller), ONE)


def test_a_number_leaves_as_a_hash_only_and_is_told_again_when_it_changes() -> None:
    table = Translator(b"key")
    (new,) = table.learn(create(ONE, Caller_Caller_ID_Number="0612345678"), 5)
    assert isinstance(new, facts.ChannelBorn)
    assert len(new.numbers) == 1
    again = event(
        "CHANNEL_ANSWER", ONE, Call_Direction="inbound", Caller_Caller_ID_Number="+33 6 12 34 56 78"
    )
    assert table.learn(again, 5) == [facts.ChannelUp(5, ONE)]
    other = {**again, "Caller-Caller-ID-Number": "0698765432"}
    up, seen = table.learn(other, 6)
    assert isinstance(seen, facts.NumberSeen)
    assert (seen.at_ns, seen.channel, len(seen.numbers)) == (6, ONE, 1)
    assert seen.numbers != new.numbers
    assert "0698765432" not in repr([new, up, seen])


def test_the_number_of_who_is_called_is_the_callees() -> None:
    inbound, *_ = Translator(b"key").learn(create(ONE, Caller_Caller_ID_Number="0612345678"), 5)
    called, *_ = Translator(b"key").learn(
        create(
            ONE,
            Call_Direction="outbound",
            Caller_Callee_ID_Number="0612345678",
            Caller_Caller_ID_Number="0600000000",
        ),
        5,
    )
    assert isinstance(inbound, facts.ChannelBorn)
    assert isinstance(called, facts.ChannelBorn)
    assert called.numbers == inbound.numbers != ()


def test_a_callcenters_leg_has_its_agents_name_and_the_caller_has_not() -> None:
    agent = {"variable_cc_agent": "alice", "Call_Direction": "outbound"}
    (new, _) = Translator().learn(create(ONE, variable_cc_side="agent", **agent), 5)
    assert isinstance(new, facts.ChannelBorn)
    assert new.named == "alice"
    (caller,) = Translator().learn(create(TWO, variable_cc_side="member", variable_cc_agent="alice"), 5)
    assert isinstance(caller, facts.ChannelBorn)
    assert caller.named == ""


def test_the_halves_of_a_loopback_are_paired_once_whichever_names_the_other() -> None:
    half = {"Channel_Name": "loopback/1001-a", "variable_dialed_user": "1001"}
    table = Translator()
    (one,) = table.learn(create(ONE, **half, variable_other_loopback_leg_uuid=TWO), 5)
    assert isinstance(one, facts.ChannelBorn)
    assert (one.endpoint, one.local_half) == ("", True)
    two = create(TWO, Channel_Name="loopback/1001-b", variable_other_loopback_leg_uuid=ONE)
    assert table.learn(two, 5)[1:] == [facts.LocalPaired(5, TWO, ONE)]
    answer = event("CHANNEL_ANSWER", ONE, Call_Direction="inbound", variable_other_loopback_leg_uuid=TWO)
    assert table.learn(answer, 5) == [facts.ChannelUp(5, ONE)]


def test_a_hang_up_is_told_once_and_its_cause_as_q850() -> None:
    table = born(ONE, TWO)
    gone = event("CHANNEL_HANGUP", ONE, Hangup_Cause="USER_BUSY")
    assert table.learn(gone, 5) == [facts.ChannelGone(5, ONE, 17)]
    assert table.learn({**gone, "Event-Name": "CHANNEL_HANGUP_COMPLETE"}, 5) == []
    net = event("CHANNEL_HANGUP_COMPLETE", TWO, Hangup_Cause="MEDIA_TIMEOUT")
    assert table.learn(net, 5) == [facts.ChannelGone(5, TWO, 31)]


def test_a_channel_that_changes_its_id_is_unreadable_if_it_was_known() -> None:
    table = born(ONE)
    assert table.learn(event("CHANNEL_UUID", TWO, Old_Unique_ID=ONE), 5) == [
        facts.Unreadable(5, ONE, "CHANNEL_UUID")
    ]
    assert table.learn(event("CHANNEL_UUID", TWO, Old_Unique_ID=THREE), 5) == []


# ---------------------------------------------------------------- who hears whom


def test_a_pair_begins_and_ends() -> None:
    table = born(ONE, TWO)
    assert table.learn(bridge(ONE, TWO), 5) == entered(ONE, TWO)
    assert table.learn(bridge(ONE, TWO), 5) == []
    assert table.learn(bridge(ONE, TWO, "CHANNEL_UNBRIDGE"), 5) == left(ONE, TWO)
    assert table.learn(bridge(ONE, TWO, "CHANNEL_UNBRIDGE"), 5) == []


def test_early_media_is_no_talk_until_both_are_answered() -> None:
    table = born(ONE, TWO)
    early = {**bridge(ONE, TWO), "Other-Leg-Channel-Answered-Time": "0"}
    assert table.learn(early, 5) == []
    answer = event("CHANNEL_ANSWER", TWO, Call_Direction="outbound")
    assert table.learn(answer, 5) == [facts.ChannelUp(5, TWO), *entered(ONE, TWO)]


def test_early_media_that_is_never_answered_is_never_told() -> None:
    table = born(ONE, TWO)
    table.learn({**bridge(ONE, TWO), "Caller-Channel-Answered-Time": "0"}, 5)
    assert table.learn(event("CHANNEL_HANGUP", TWO), 5) == [facts.ChannelGone(5, TWO, 31)]
    assert table.learn(event("CHANNEL_ANSWER", ONE, Call_Direction="inbound"), 5) == [facts.ChannelUp(5, ONE)]


def test_whoever_hangs_up_leaves_the_other_alone() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    gone = facts.ChannelGone(5, TWO, 31)
    assert table.learn(event("CHANNEL_HANGUP", TWO), 5) == [gone, left(ONE, TWO)[0]]
    assert table.learn(bridge(ONE, TWO, "CHANNEL_UNBRIDGE"), 5) == []


def test_an_attended_transfer_is_one_of_both_legs_and_the_late_unbridge_harms_nothing() -> None:
    """Legs 2 and 3 are one agent's; 1 is the customer, 4 the colleague."""
    table = born(ONE, TWO, THREE, FOUR)
    table.learn(bridge(ONE, TWO), 5)
    table.learn(bridge(THREE, FOUR), 5)
    assert table.learn(bridge(ONE, FOUR), 5) == [
        facts.Transferred(5, (TWO, THREE)),
        *left(ONE, TWO),
        *left(THREE, FOUR),
        *entered(ONE, FOUR),
    ]
    assert table.learn(bridge(ONE, TWO, "CHANNEL_UNBRIDGE"), 5) == []
    assert table.learn(bridge(THREE, FOUR, "CHANNEL_UNBRIDGE"), 5) == []
    gone = event("CHANNEL_HANGUP", THREE, Hangup_Cause="ATTENDED_TRANSFER")
    assert table.learn(gone, 5) == [facts.ChannelGone(5, THREE, 31)]


def test_a_call_that_is_taken_away_was_not_given() -> None:
    """Positive control: the one above. Here somebody picks up, or a supervisor takes over: nobody transferred."""
    table = born(ONE, TWO, THREE)
    table.learn(bridge(ONE, TWO), 5)
    assert table.learn(bridge(THREE, ONE), 5) == [*left(ONE, TWO), *entered(THREE, ONE)]


def test_the_same_two_the_other_way_round_are_another_pair() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    assert table.learn(bridge(TWO, ONE), 5) == [*left(ONE, TWO), *entered(TWO, ONE)]
    assert table.learn(bridge(ONE, TWO, "CHANNEL_UNBRIDGE"), 5) == []


def test_a_pair_with_one_who_is_gone_already_is_no_talk() -> None:
    table = born(ONE)
    assert table.learn(bridge(ONE, TWO), 5) == []
    assert table.learn(event("CHANNEL_HANGUP", ONE), 5) == [facts.ChannelGone(5, ONE, 31)]


@pytest.mark.parametrize("header", ["Hangup_Cause", "variable_endpoint_disposition"])
@pytest.mark.parametrize("word", ["BLIND_TRANSFER", "ATTENDED_TRANSFER"])
def test_a_leg_that_ends_by_a_transfer_says_so_first(header: str, word: str) -> None:
    table = born(ONE)
    assert table.learn(event("CHANNEL_HANGUP", ONE, **{header: word}), 5) == [
        facts.Transferred(5, (ONE,)),
        facts.ChannelGone(5, ONE, 31),
    ]


@pytest.mark.parametrize("word", ["att:4444", "satt:4444", "blind:202"])
def test_a_leg_whose_phone_moved_the_call_says_so_first_though_it_hangs_up_as_any(word: str) -> None:
    """An attended transfer in which both of the agent's legs are gone before the customer meets the colleague."""
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    gone = event("CHANNEL_HANGUP", TWO, Hangup_Cause="NORMAL_CLEARING", variable_transfer_to=word)
    assert table.learn(gone, 5)[:2] == [facts.Transferred(5, (TWO,)), facts.ChannelGone(5, TWO, 16)]


def test_a_call_that_somebody_else_moved_was_not_given() -> None:
    table = born(ONE)
    gone = event("CHANNEL_HANGUP", ONE, Hangup_Cause="NORMAL_CLEARING", variable_transfer_to="uuid_br:4444")
    assert table.learn(gone, 5) == [facts.ChannelGone(5, ONE, 16)]


def test_a_conference_is_a_bridge_of_many() -> None:
    table = born(ONE, TWO, THREE)
    table.learn(bridge(ONE, TWO), 5)

    def member(channel: str, action: str) -> list[facts.Fact]:
        joins = event("conference::maintenance", channel, Action=action, Conference_Unique_ID="c")
        return table.learn(joins, 5)

    assert member(ONE, "add-member") == [*left(ONE, TWO), facts.BridgeEntered(5, ONE, "c")]
    assert member(ONE, "add-member") == []
    assert member(TWO, "add-member") == [facts.BridgeEntered(5, TWO, "c")]
    assert member(THREE, "add-member") == [facts.BridgeEntered(5, THREE, "c")]
    assert member(THREE, "start-talking") == []
    assert member(THREE, "del-member") == [facts.BridgeLeft(5, THREE, "c")]
    assert member(THREE, "del-member") == []
    assert table.learn(event("CHANNEL_HANGUP", TWO), 5) == [facts.ChannelGone(5, TWO, 31)]


def test_a_conference_that_is_recorded_has_a_foreign_recorder_for_all_who_are_in_it_and_who_come() -> None:
    table = born(ONE, TWO, THREE, FOUR)

    def says(action: str, channel: str | None = None, **more: str) -> list[facts.Fact]:
        heard = event("conference::maintenance", channel, Action=action, Conference_Unique_ID="c", **more)
        return table.learn(heard, 5)

    says("add-member", ONE)
    assert says("start-recording") == [facts.ForeignRecorder(5, ONE)]
    comes = [facts.ForeignRecorder(5, TWO), facts.BridgeEntered(5, TWO, "c")]
    assert says("add-member", TWO) == comes
    assert says("stop-recording", Other_Recordings="true") == []
    assert says("add-member", THREE)[0] == facts.ForeignRecorder(5, THREE)
    assert says("stop-recording", Other_Recordings="false") == []
    assert says("add-member", FOUR) == [facts.BridgeEntered(5, FOUR, "c")]
    table.learn(event("conference::maintenance", Action="start-recording", Conference_Unique_ID="d"), 5)
    assert table.learn(
        event("conference::maintenance", FOUR, Action="add-member", Conference_Unique_ID="e"), 5
    ) == [
        facts.BridgeLeft(5, FOUR, "c"),
        facts.BridgeEntered(5, FOUR, "e"),
    ]


def test_a_conference_that_ends_is_recorded_no_more() -> None:
    table = born(ONE)
    for action in ("start-recording", "conference-destroy"):
        table.learn(event("conference::maintenance", Action=action, Conference_Unique_ID="c"), 5)
    comes = event("conference::maintenance", ONE, Action="add-member", Conference_Unique_ID="c")
    assert table.learn(comes, 5) == [facts.BridgeEntered(5, ONE, "c")]


def test_a_valet_parks_and_no_more() -> None:
    table = born(ONE)
    assert table.learn(event("valet_parking::info", ONE, Action="hold"), 5) == [facts.Parked(5, ONE)]
    assert table.learn(event("valet_parking::info", ONE, Action="exit"), 5) == []


# ---------------------------------------------------------------- who is heard by nobody


def test_whoever_something_is_played_to_is_on_hold_meanwhile() -> None:
    """What FreeSWITCH does to the other party of a feature code: music, and no word of a hold."""
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    assert table.learn(event("PLAYBACK_START", ONE), 5) == [facts.Held(5, ONE)]
    assert table.learn(event("PLAYBACK_START", ONE), 5) == []
    assert table.learn(event("PLAYBACK_STOP", ONE), 5) == [facts.Unheld(5, ONE)]
    assert table.learn(event("PLAYBACK_STOP", ONE), 5) == []
    assert table.learn(event("PLAYBACK_START", THREE), 5) == [], "nobody we know"


@pytest.mark.parametrize("first", ["CHANNEL_UNHOLD", "PLAYBACK_STOP"])
def test_a_hold_lasts_until_its_last_reason_is_over(first: str) -> None:
    table = born(ONE)
    assert table.learn(event("CHANNEL_HOLD", ONE), 5) == [facts.Held(5, ONE)]
    assert table.learn(event("PLAYBACK_START", ONE), 5) == []
    (second,) = {"CHANNEL_UNHOLD", "PLAYBACK_STOP"} - {first}
    assert table.learn(event(first, ONE), 5) == []
    assert table.learn(event(second, ONE), 5) == [facts.Unheld(5, ONE)]


def dials(caller: str, leg: str) -> dict[str, str]:
    return create(leg, Call_Direction="outbound", Other_Type="originator", Other_Leg_Unique_ID=caller)


def test_whoever_talks_and_has_another_dialled_talks_no_more_until_that_one_is_gone() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    assert table.learn(dials(TWO, THREE), 5)[-1] == facts.Held(5, TWO)
    busy = event("CHANNEL_HANGUP", THREE, Hangup_Cause="USER_BUSY")
    assert table.learn(busy, 5) == [facts.ChannelGone(5, THREE, 17), facts.Unheld(5, TWO)]


def test_a_consultation_that_is_answered_is_another_talk() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    table.learn(dials(TWO, THREE), 5)
    assert table.learn(bridge(TWO, THREE), 5) == [
        *left(ONE, TWO),
        *entered(TWO, THREE),
        facts.Unheld(5, TWO),
    ]
    assert table.learn(event("CHANNEL_HANGUP", THREE), 5)[0] == facts.ChannelGone(5, THREE, 31)


def test_two_phones_that_are_dialled_for_a_caller_hold_nobody() -> None:
    table = born(ONE)
    for leg in (TWO, THREE):
        assert not [fact for fact in table.learn(dials(ONE, leg), 5) if isinstance(fact, facts.Held)]
    table.learn(bridge(ONE, TWO), 5)
    assert table.learn(event("CHANNEL_HANGUP", THREE), 5) == [facts.ChannelGone(5, THREE, 31)]


def test_whoever_hangs_up_in_a_hold_leaves_none_behind() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    table.learn(event("PLAYBACK_START", ONE), 5)
    table.learn(dials(TWO, THREE), 5)
    for leg in (ONE, TWO):
        table.learn(event("CHANNEL_HANGUP", leg), 5)
        table.learn(create(leg), 5)
    assert table.learn(event("PLAYBACK_STOP", ONE), 5) == []
    assert table.learn(event("CHANNEL_HANGUP", THREE), 5) == [facts.ChannelGone(5, THREE, 31)]


# ---------------------------------------------------------------- what is said of a call


def test_a_queue_names_itself_and_who_takes_the_call() -> None:
    joined = event("callcenter::info", CC_Action="member-queue-start", CC_Queue="support@a")
    assert born(ONE).learn({**joined, "CC-Member-Session-UUID": ONE}, 5) == [
        facts.QueueJoined(5, ONE, "support@a")
    ]
    taken = event("callcenter::info", CC_Action="bridge-agent-start", CC_Agent="alice")
    assert born(TWO).learn({**taken, "CC-Agent-UUID": TWO}, 5) == [facts.PersonNamed(5, TWO, "alice")]
    assert born(ONE).learn(event("callcenter::info", CC_Action="members-count"), 5) == []


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        (f"{vectors.OWN_PIPES}/a.raw", False),
        (f"{vectors.OWN_PIPES}/", True),
        (f"{vectors.OWN_PIPES}/../a.raw", True),
        (f"{vectors.OWN_PIPES}-other/a.raw", True),
        ("/srv/a.wav", True),
        ("shout://a/b", True),
    ],
)
def test_a_recording_is_ours_only_in_our_own_folder(path: str, foreign: bool) -> None:
    told = born(ONE).learn(event("RECORD_START", ONE, Record_File_Path=path), 5)
    assert told == ([facts.ForeignRecorder(5, ONE)] if foreign else [])
    nowhere = Translator().learn(event("RECORD_START", ONE, Record_File_Path=path), 5)
    assert nowhere == [facts.ForeignRecorder(5, ONE)]


@pytest.mark.parametrize(
    ("function", "foreign"),
    [
        ("session_record", False),
        ("inband_dtmf", False),
        ("spandsp_tone_detect", False),
        ("eavesdrop", True),
        ("detect_speech", True),
        ("session_recorder", True),
        ("whatever", True),
    ],
)
def test_who_listens_and_is_not_known_to_keep_nothing_is_a_recorder(function: str, foreign: bool) -> None:
    told = born(ONE).learn(event("MEDIA_BUG_START", ONE, Media_Bug_Function=function), 5)
    assert told == ([facts.ForeignRecorder(5, ONE)] if foreign else [])


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (event("CHANNEL_HOLD", ONE), facts.Held(5, ONE)),
        (event("CHANNEL_UNHOLD", ONE), facts.Unheld(5, ONE)),
        (event("CHANNEL_PROGRESS", ONE, Call_Direction="outbound"), facts.ChannelRinging(5, ONE)),
        (event("CHANNEL_PROGRESS_MEDIA", ONE, Call_Direction="outbound"), facts.ChannelRinging(5, ONE)),
        (event("CHANNEL_PROGRESS", ONE, Call_Direction="inbound"), None),
        (event("pbx_bridge::notice", ONE, Notice="0123abcd"), facts.NoticeHeard(5, ONE, "0123abcd")),
        (
            event("pbx_bridge::notice", ONE, Notice="0123ABCD"),
            facts.Unreadable(5, ONE, "pbx_bridge::notice"),
        ),
        (event("pbx_bridge::objection", ONE), facts.CallerObjected(5, ONE)),
        (event("pbx_bridge::private", ONE), facts.AgentObjected(5, ONE)),
        (event("pbx_bridge::never", ONE), facts.NeverRecord(5, ONE)),
        (event("pbx_bridge::payment", ONE, Moment="begin"), facts.PaymentBegan(5, ONE)),
        (event("pbx_bridge::payment", ONE, Moment="end"), facts.PaymentEnded(5, ONE)),
        (
            event("pbx_bridge::payment", ONE, Moment="end it"),
            facts.Unreadable(5, ONE, "pbx_bridge::payment"),
        ),
        (event("pbx_bridge::person", ONE, Person="alice"), facts.PersonNamed(5, ONE, "alice", by_site=True)),
        (
            event("pbx_bridge::person", ONE, Person="a" * 129),
            facts.Unreadable(5, ONE, "pbx_bridge::person"),
        ),
        (event("other::objection", ONE), None),
    ],
)
def test_words_are_read_exactly(heard: dict[str, str], told: facts.Fact | None) -> None:
    assert Translator().learn(heard, 5) == ([] if told is None else [told])


# ---------------------------------------------------------------- what lives when a link comes up


def test_what_is_found_is_told_whole_and_what_was_known_before_is_forgotten() -> None:
    table = born(ONE, TWO)
    table.learn(bridge(ONE, TWO), 5)
    up = {"Caller_Channel_Answered_Time": "1"}
    told = table.found([create(THREE, **up), create(FOUR, **up), create("bad id")], [(THREE, FOUR)], 5)
    lives = [facts.ChannelBorn(5, one, "sofia/external", False, "public") for one in (THREE, FOUR)]
    assert told == [
        facts.LinkUp(5, tuple(lives)),
        facts.ChannelUp(5, THREE),
        facts.ChannelUp(5, FOUR),
        facts.Unreadable(5, None, "uuid_dump"),
        *entered(THREE, FOUR),
    ]
    assert table.learn(event("CHANNEL_HANGUP", ONE), 5) == []
    assert table.learn(bridge(THREE, FOUR, "CHANNEL_UNBRIDGE"), 5) == left(THREE, FOUR)
