"""A long list is turned in parts: each row once, in order, and a strange number is no fault of ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pbx_bridge.portal.web.paging import EACH, Part, part_of
from pbx_bridge.wire_json import Malformed


def turned(count: int, start: str = "0") -> Part[int]:
    asked: Any = SimpleNamespace(request=SimpleNamespace(query_params={"from": start}))
    return part_of(range(count), asked)


@pytest.mark.parametrize("count", [0, 1, EACH - 1, EACH, EACH + 1, 3 * EACH, 3 * EACH + 7])
def test_every_row_stands_on_one_page(count: int) -> None:
    seen, at = list[int](), 0
    while True:
        part = turned(count, str(at))
        seen += part.items
        assert (part.newer is None) == (at == 0)
        if part.older is None:
            break
        at = part.older
    assert seen == list(range(count))
    assert turned(count, "999999").items == range(count)[999999:]


@pytest.mark.parametrize("start", ["-1", "x", "", "1.5", "٣", "1" * 7])
def test_what_is_no_number_is_malformed(start: str) -> None:
    with pytest.raises(Malformed):
        turned(5, start)
