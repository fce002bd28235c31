"""The table from AMI to facts, against recorded streams: whole, cut, and damaged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls import facts
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.framing import LINE_LIMIT, MESSAGE_LIMIT, AmiFraming
from pbx_bridge.telephony.asterisk.translate import (
    FOLLOWED_KINDS,
    born,
    not_told,
    noted_as,
    said,
    translate,
)
from tests.asterisk import vectors

HANGUP = {"Event": "Hangup", "Uniqueid": "1.2", "Cause": "16", "Channel": "PJSIP/201-00000001"}


@pytest.mark.parametrize("name", vectors.names())
def test_a_recorded_stream_gives_its_facts(name: str) -> None:
    got = [vectors.written(fact) for fact in vectors.facts_of(AmiFraming().feed(vectors.raw(name)))]
    assert got == vectors.expected(name)


@pytest.mark.parametrize("name", vectors.names())
def test_no_number_of_a_person_is_in_the_facts(name: str) -> None:
    written = "\n".join(vectors.expected(name))
    assert "4930111" not in written
    assert "0612345678" not in written
    assert "0301234" not in written


@pytest.mark.parametrize("name", ["lab-blind-transfer", "pickup"])
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 64, 1448])
def test_pieces_of_any_size_give_the_same_messages(name: str, piece: int) -> None:
    raw, framing = vectors.raw(name), AmiFraming()
    whole = AmiFraming().feed(raw)
    pieces = [message for at in range(0, len(raw), piece) for message in framing.feed(raw[at : at + piece])]
    assert pieces == whole


def test_every_cut_in_two_gives_the_same_messages() -> None:
    raw = vectors.raw("lab-busy")
    whole = AmiFraming().feed(raw)
    for cut in range(len(raw) + 1):
        framing = AmiFraming()
        assert framing.feed(raw[:cut]) + framing.feed(raw[cut:]) == whole


@pytest.mark.parametrize("name", vectors.names())
@pytest.mark.parametrize("seed", range(5))
def test_damaged_bytes_never_raise_and_never_pass_in_silence(name: str, seed: int) -> None:
    """A followed event gives facts or Unreadable, or it is a kind of event that may say nothing (a state, a refusal)."""
    dice = random.Random(f"{name}{seed}")
    for text in AmiFraming().feed(vectors.raw(name)):
        damaged = list(text)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(damaged))
            damaged[at] = dice.choice(["", "\x00", "\r", "é", "A", ": ", damaged[at] * 50])
        event = vectors.read("".join(damaged))
        told = translate(event, 0)
        sure = {
            "Hangup",
            "DialBegin",
            "BridgeEnter",
            "BridgeLeave",
            "Hold",
            "Unhold",
            "LocalBridge",
            "ParkedCall",
        }
        if event.get("Event") in sure and event.get("BridgeTechnology") != "holding_bridge":
            assert told


@pytest.mark.parametrize("kind", sorted(FOLLOWED_KINDS))
def test_a_followed_kind_with_nothing_in_it_is_unreadable(kind: str) -> None:
    assert translate({"Event": kind}, 5) == [facts.Unreadable(5, None, kind)]


@pytest.mark.parametrize("kind", sorted(FOLLOWED_KINDS))
@given(
    fields=st.dictionaries(
        st.sampled_from(["Uniqueid", "Channel", "Cause", "Result", "UserEvent"]),
        st.text() | st.lists(st.text()),
    )
)
def test_a_followed_kind_with_anything_in_it_never_raises(kind: str, fields: dict[str, object]) -> None:
    translate({"Event": kind, **fields}, 5)


@given(st.dictionaries(st.text(), st.text()))
def test_anything_else_says_nothing(fields: dict[str, object]) -> None:
    fields.pop("Event", None)
    assert translate(fields, 0) == []


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("begin", facts.PaymentBegan(5, ChannelId("1.2"))),
        ("end", facts.PaymentEnded(5, ChannelId("1.2"))),
        ("", facts.Unreadable(5, ChannelId("1.2"), "UserEvent")),
        ("end it", facts.Unreadable(5, ChannelId("1.2"), "UserEvent")),
    ],
)
def test_a_payment_is_announced_in_exact_words(moment: str, expected: facts.Fact) -> None:
    event = {"Event": "UserEvent", "UserEvent": "PbxbPayment", "Uniqueid": "1.2", "Moment": moment}
    assert translate(event, 5) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, facts.ChannelGone(5, ChannelId("1.2"), 16)),
        ({"Cause": ""}, facts.Unreadable(5, ChannelId("1.2"), "Hangup")),
        ({"Cause": "-1"}, facts.Unreadable(5, ChannelId("1.2"), "Hangup")),
        ({"Cause": "1000"}, facts.Unreadable(5, ChannelId("1.2"), "Hangup")),
        ({"Cause": ["16", "17"]}, facts.Unreadable(5, ChannelId("1.2"), "Hangup")),
        ({"Uniqueid": ""}, facts.Unreadable(5, None, "Hangup")),
        ({"Uniqueid": "x" * 150}, facts.ChannelGone(5, ChannelId("x" * 150), 16)),
        ({"Uniqueid": "x" * 151}, facts.Unreadable(5, None, "Hangup")),
        ({"Uniqueid": "a b"}, facts.Unreadable(5, None, "Hangup")),
    ],
)
def test_fields_are_read_exactly(change: dict[str, object], expected: facts.Fact) -> None:
    assert translate({**HANGUP, **change}, 5) == [expected]


@pytest.mark.parametrize(
    ("name", "endpoint", "local"),
    [
        ("PJSIP/201-0000000a", "PJSIP/201", False),
        ("SIP/agent-one-0000000a", "SIP/agent-one", False),
        ("PJSIP/a-b-c-0000000a", "PJSIP/a-b-c", False),
        ("Local/201@ctx-0000000a;1", "", True),
        ("Local/201@ctx-0000000a;2", "", True),
    ],
)
def test_the_endpoint_is_the_name_without_its_instance(name: str, endpoint: str, local: bool) -> None:
    new = born({"Channel": name, "Uniqueid": "1.2", "Context": "from-agents"}, 5)
    assert new == facts.ChannelBorn(5, ChannelId("1.2"), endpoint, local, "from-agents")


def test_our_snoop_is_nobody_and_a_foreign_one_is_a_recorder() -> None:
    fields = {
        "Event": "Newchannel",
        "Channel": "Snoop/pbx-1.7-00000003",
        "Context": "default",
        "ChannelStateDesc": "Up",
    }
    assert translate({**fields, "Uniqueid": "pbxb-0f"}, 5) == []
    assert translate({**fields, "Uniqueid": "1.9"}, 5) == [facts.ForeignRecorder(5, ChannelId("pbx-1.7"))]


def test_who_listens_in_is_a_recorder_and_our_own_snoop_is_not() -> None:
    """Asterisk tells ChanSpyStart of a supervisor's ChanSpy and of every snoop channel."""
    fields = {
        "Event": "ChanSpyStart",
        "SpyerChannel": "PJSIP/203-00000003",
        "SpyeeChannel": "PJSIP/201-00000001",
    }
    spied = {**fields, "SpyerUniqueid": "pbx-1.9", "SpyeeUniqueid": "pbx-1.7"}
    assert translate(spied, 5) == [facts.ForeignRecorder(5, ChannelId("pbx-1.7"))]
    assert translate({**spied, "SpyerUniqueid": "pbxb-0f"}, 5) == []
    assert translate(fields, 5) == [facts.Unreadable(5, None, "ChanSpyStart")]


def test_what_was_said_while_nobody_listened() -> None:
    noted = " objection/pbx-1.7 private/pbx-1.8 nonsense private/ objection/pbx-1.7 other/1.2"
    one, two = facts.CallerObjected(5, ChannelId("pbx-1.7")), facts.AgentObjected(5, ChannelId("pbx-1.8"))
    assert said(noted, 5) == [one, two, one]
    assert said("", 5) == []


def test_a_key_the_bridge_was_not_told_of_yet_stays_noted() -> None:
    """P16: one customer's objection is dealt with; another's comes in that very moment, and the bridge is killed."""
    first, second = facts.CallerObjected(5, ChannelId("pbx-1.7")), facts.CallerObjected(6, ChannelId("1.9"))
    trainee = facts.AgentObjected(7, ChannelId("pbx-1.7"))
    words = [noted_as(fact) for fact in (first, second, trainee)]
    assert said(" ".join(words), 5) == [replace(fact, at_ns=5) for fact in (first, second, trainee)]
    assert not_told(f" {words[0]} {words[1]} nonsense", {words[0]}) == words[1]
    assert not_told(f" {words[0]} {words[2]}", {words[0]}) == words[2]
    assert not_told(f" {words[0]} {words[0]}", {words[0]}) == ""
    assert noted_as(facts.Held(5, ChannelId("1.9"))) == ""


def test_parked_callers_share_a_bridge_and_do_not_talk() -> None:
    enter = {
        "Event": "BridgeEnter",
        "Uniqueid": "1.2",
        "BridgeUniqueid": "b",
        "BridgeTechnology": "holding_bridge",
    }
    assert translate({**enter, "Channel": "PJSIP/trunk-00000001"}, 5) == []


def test_a_transfer_that_failed_is_none() -> None:
    event = {"Event": "BlindTransfer", "TransfererUniqueid": "1.2", "Result": "Invalid"}
    assert translate(event, 5) == []
    assert translate({**event, "Result": "Success"}, 5) == [facts.Transferred(5, (ChannelId("1.2"),))]


# ---------------------------------------------------------------- the framing's limits

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


@pytest.mark.parametrize("size", [0, 1, LINE_LIMIT - 1, LINE_LIMIT])
def test_lines_up_to_the_limit_pass(size: int) -> None:
    assert AmiFraming().feed(GREETING + b"x" * size + b"\r\n\r\n") == (["x" * size] if size else [])


@pytest.mark.parametrize(
    "raw",
    [b"x" * (LINE_LIMIT + 1) + b"\r\n\r\n", b"x\r\n" * (MESSAGE_LIMIT // 3 + 1), b"x" * (MESSAGE_LIMIT + 1)],
)
def test_beyond_the_limit_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        AmiFraming().feed(GREETING + raw)


def test_a_message_of_exactly_the_limit_passes() -> None:
    line = b"x" * 1022 + b"\r\n"
    raw = line * (MESSAGE_LIMIT // len(line) - 1) + b"x" * 1020
    assert len(AmiFraming().feed(GREETING + raw + b"\r\n\r\n")) == 1


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1", b"\r\n", b"asterisk call", b"Asterisk Call Manager/" + b"9" * 200]
)
def test_another_greeting_is_refused(greeting: bytes) -> None:
    with pytest.raises(PeerError):
        AmiFraming().feed(greeting)


def test_the_greeting_may_come_letter_by_letter() -> None:
    framing = AmiFraming()
    assert [framing.feed(bytes([letter])) for letter in GREETING + b"A: b\r\n\r\n"][-1] == ["A: b"]
    assert framing.version == "11.0.0"
