"""AudioSocket frames, AGI lines and the packet counter: at their limits and beyond."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls import facts
from pbx_bridge.errors import OperatorError, PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk import agi
from pbx_bridge.telephony.asterisk.audiosocket import PAYLOAD_LIMIT, Audio, AudioSocketFraming, HungUp, Named
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.settings import AmiSettings, AriSettings
from pbx_bridge.telephony.rtp_watch import RtpWatch

ID = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


STREAM = (
    frame(1, ID.bytes)
    + frame(0x10, b"\1\2" * 160)
    + frame(3, b"5")
    + frame(0x12, b"\3\4" * 320)
    + frame(0, b"")
)
FRAMES = [Named(ID), Audio(b"\1\2" * 160, 8000), Audio(b"\3\4" * 320, 16000), HungUp()]


@pytest.mark.parametrize("piece", [1, 2, 3, 100, 323, 10_000])
def test_audio_frames_in_pieces_of_any_size(piece: int) -> None:
    framing = AudioSocketFraming()
    assert [
        one for at in range(0, len(STREAM), piece) for one in framing.feed(STREAM[at : at + piece])
    ] == FRAMES


@pytest.mark.parametrize("size", [0, 2, PAYLOAD_LIMIT])
def test_audio_up_to_the_limit(size: int) -> None:
    framing = AudioSocketFraming()
    framing.feed(frame(1, ID.bytes))
    assert framing.feed(frame(0x10, bytes(size))) == [Audio(bytes(size), 8000)]


@pytest.mark.parametrize(
    "raw",
    [
        frame(0x10, b"\0\0"),
        frame(1, ID.bytes[:15]),
        frame(1, ID.bytes + b"\0"),
        frame(1, ID.bytes) * 2,
        frame(1, ID.bytes) + frame(0x10, b"\0"),
        frame(1, ID.bytes) + frame(0x7F, b""),
        frame(1, ID.bytes) + frame(0xFF, b"\1"),
        frame(1, ID.bytes) + b"\x10" + (PAYLOAD_LIMIT + 1).to_bytes(2, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_audiosocket_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        AudioSocketFraming().feed(raw)


@given(st.binary(max_size=400))
def test_any_bytes_give_frames_or_are_refused(raw: bytes) -> None:
    framing = AudioSocketFraming()
    try:
        framing.feed(frame(1, ID.bytes) + raw)
    except PeerError as refused:
        assert str(refused)  # noqa: PT017 - either outcome is right, another exception is not


# ---------------------------------------------------------------- AGI

REQUEST = [
    "agi_network: yes", "agi_network_script: notice", "agi_request: agi://127.0.0.1:4573/notice",
    "agi_language: fr_FR", "agi_callerid: 0612345678", "agi_arg_1: token", "agi_arg_2:",
]  # fmt: skip


def test_a_request_is_read() -> None:
    assert agi.parse_request(REQUEST) == agi.AgiRequest("notice", "fr_FR", ("token", ""))


@pytest.mark.parametrize("missing", [0, 2])
def test_a_request_that_is_none_is_refused(missing: int) -> None:
    with pytest.raises(PeerError):
        agi.parse_request(REQUEST[:missing] + REQUEST[missing + 1 :])


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("200 result=0 endpos=24000", agi.AgiAnswer(0, 24000)),
        ("200 result=57 endpos=12", agi.AgiAnswer(57, 12)),
        ("200 result=1", agi.AgiAnswer(1, 0)),
        ("200 result=-1 endpos=0", agi.AgiAnswer(-1, 0)),
        ("HANGUP", None),
    ],
)
def test_answers(line: str, answer: agi.AgiAnswer | None) -> None:
    assert agi.parse_answer(line) == answer


@pytest.mark.parametrize(
    "line", ["", "510 Invalid or unknown command", "520-Invalid command syntax.", "200", "200 result=", "x"]
)
def test_refusals(line: str) -> None:
    with pytest.raises(PeerError):
        agi.parse_answer(line)


@pytest.mark.parametrize("raw", [b"", b"no end", b"x" * agi.LINE_LIMIT + b"\n"])
def test_lines_without_end_or_too_long(raw: bytes) -> None:
    with pytest.raises(PeerError):
        agi.decode(raw)


def test_a_line_of_exactly_the_limit() -> None:
    assert agi.decode(b"x" * (agi.LINE_LIMIT - 1) + b"\n") == "x" * (agi.LINE_LIMIT - 1)


# ---------------------------------------------------------------- what an operator may get wrong

NOTICE = SpokenNotice("en", "pbxb/notice-en", "0123abcd")


@pytest.mark.parametrize("sound", ["", "a b", "x\ny", 'x"', "é", "${X}"])
def test_a_sound_that_would_be_a_command_is_refused(sound: str) -> None:
    with pytest.raises(OperatorError):
        SpokenNotice("en", sound, "0123abcd")


def test_no_notice_is_refused() -> None:
    with pytest.raises(OperatorError):
        NoticeServer([], "t")


@pytest.mark.parametrize(
    ("languages", "chosen"),
    [(("fr",), "fr"), (("fr_CA",), "fr"), (("de", "FR"), "fr"), (("",), "en"), (("de",), "en")],
)
def test_the_callers_language_chooses_the_notice(languages: tuple[str, ...], chosen: str) -> None:
    server = NoticeServer([NOTICE, SpokenNotice("fr", "pbxb/notice-fr", "0123abcd")], "t")
    assert server.choose(*languages).language == chosen


@pytest.mark.parametrize("host", ["10.0.0.5", "0.0.0.0", "pbx.example", ""])
def test_a_manager_beyond_the_loopback_is_refused(host: str) -> None:
    with pytest.raises(OperatorError, match="127\\.0\\.0\\.1"):
        AmiSettings(host=host)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.5:8088", "https://127.0.0.1:8089", "127.0.0.1:8088", "http://u:p@127.0.0.1", ""]
)
def test_an_ari_beyond_the_loopback_is_refused(url: str) -> None:
    with pytest.raises(OperatorError):
        AriSettings(url=url)


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(AmiSettings(secret="hush")) + repr(AriSettings(password="hush"))


@pytest.mark.parametrize("secret", ["a\r\nAction: Logoff", "a\nb", "\0"])
def test_a_secret_with_a_line_break_is_refused(secret: str) -> None:
    with pytest.raises(OperatorError):
        AmiSettings(secret=secret)


# ---------------------------------------------------------------- the packet counter

LEG = ChannelId("1.2")
SECOND = 1_000_000_000


def test_a_leg_that_stops_sending_is_told_each_second_and_when_it_comes_back() -> None:
    watch = RtpWatch()
    watch.watch(LEG, 0)
    told = [
        fact
        for second, count in enumerate(["10", "60", "60", "60", "60", "61", "111"])
        for fact in watch.counted(LEG, count, second * SECOND)
    ]
    assert told == [
        facts.LegSilent(3 * SECOND, LEG, 2 * SECOND),
        facts.LegSilent(4 * SECOND, LEG, 3 * SECOND),
        facts.LegHeard(5 * SECOND, LEG),
    ]


def test_a_leg_that_never_sent_is_silent_since_the_watch_began() -> None:
    watch = RtpWatch()
    watch.watch(LEG, 0)
    assert watch.counted(LEG, "0", SECOND) == []
    assert watch.counted(LEG, "0", 3 * SECOND) == [facts.LegSilent(3 * SECOND, LEG, 2 * SECOND)]


def test_a_leg_nobody_watches_says_nothing() -> None:
    watch = RtpWatch()
    watch.watch(LEG, 0)
    watch.unwatch(LEG)
    assert watch.counted(LEG, "0", 30 * SECOND) == []
    assert watch.watched() == ()
