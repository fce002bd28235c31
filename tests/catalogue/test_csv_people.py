"""A spreadsheet of persons: every mistake has its line, plans are refused, and nothing else gets in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.catalogue.csv_people import CSV_LIMIT, FIELD_LIMIT, PERSONS_LIMIT, read_people
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Trainee

ALICE = Trainee(TraineeId("alice"), ("PJSIP/201", "PJSIP/204"), "Alice Martin", "amartin")
GOOD = "id,endpoints,member,login\nalice,PJSIP/201 PJSIP/204,Alice Martin,amartin\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(",", ";"),
        GOOD.replace("Alice Martin", '" Alice Martin "'),
        GOOD.replace("id,", "ID ,"),
        GOOD + "\n,,,\n",
        GOOD.rstrip("\n"),
    ],
)
def test_what_spreadsheets_write_is_read(text: str) -> None:
    assert read_people(text.encode(), "staff.csv") == (ALICE,)


def test_a_member_may_be_left_out_and_columns_turned() -> None:
    read = read_people(b"login,id,endpoints\namartin,alice,PJSIP/201\n", "staff.csv")
    assert read == (Trainee(TraineeId("alice"), ("PJSIP/201",), "", "amartin"),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1.*columns"),
        (b"id,endpoints,member,login\n", "no person"),
        (b"name,phone\nalice,201\n", "line 1.*columns"),
        (b"id,id,endpoints,login\n", "line 1.*columns"),
        (b"id,endpoints,login,rate\n", "P13"),
        (b"id,endpoints,login,Approver\n", "P13"),
        (GOOD.encode() + b"bea,PJSIP/202\n", "line 3.*2 fields"),
        (GOOD.encode() + b"bea,PJSIP/202,,bea,more\n", "line 3.*5 fields"),
        (GOOD.encode() + b"../bea,PJSIP/202,,bea\n", "line 3: id"),
        (GOOD.encode() + b",PJSIP/202,,bea\n", "line 3: id"),
        (GOOD.encode() * 2, "line 4.*twice"),
        (GOOD.encode() + GOOD.encode().partition(b"\n")[2], "line 3.*twice"),
        (GOOD.encode() + b'bea,"PJSIP/202,,bea\n', "not CSV"),
        (b"\xff\xfe" + GOOD.encode("utf-16-le"), "UTF-8"),
        (GOOD.encode() + b"\0", "not a text"),
        (GOOD.encode() + b"b" * (FIELD_LIMIT + 1) + b",,,\n", "line 3.*field"),
        (b"x" * (CSV_LIMIT + 1), "larger"),
        (b"id,endpoints,login\n" + b"".join(b"p%d,,\n" % n for n in range(PERSONS_LIMIT + 1)), "more than"),
    ],
)
def test_a_mistake_has_its_line(content: bytes, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        read_people(content, "staff.csv")


def test_as_many_as_allowed_are_read() -> None:
    content = b"id,endpoints,login\n" + b"".join(b"p%d,,\n" % n for n in range(PERSONS_LIMIT))
    assert len(read_people(content, "staff.csv")) == PERSONS_LIMIT


@given(st.binary(max_size=200) | st.text(alphabet='id,endposmbrlgn;"\n\r x', max_size=200).map(str.encode))
def test_whatever_comes_is_read_or_refused_with_a_sentence(tail: bytes) -> None:
    for content in (tail, GOOD.encode() + tail):
        try:
            read = read_people(content, "staff.csv")
        except OperatorError:
            continue
        assert read
        assert len({person.id for person in read}) == len(read)
