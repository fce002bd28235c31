"""Where a person is sent on to: a path of this site or the first page, said at once whatever was sent."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.portal.web.asked import MAX_LOCAL_CHARS, local


@pytest.mark.parametrize(
    "path", ["/", "/recordings", "/recordings/abc/watch", "/a.b_c~d-e/", "/" + "a" * 198]
)
def test_a_path_of_this_site_is_kept(path: str) -> None:
    assert local(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "//evil.example",
        "https://evil.example",
        "/\\evil",
        "/a//b",
        "/a?b",
        "/a\n",
        "/a b",
        "/é",
        "/" + "a" * 199,
    ],
)
def test_anything_else_is_the_first_page(path: str) -> None:
    assert local(path) == "/"


def test_no_address_keeps_the_bridge_busy() -> None:
    """Anybody sends one, signed in or not, and it is read where the calls are."""
    began = time.process_time()
    for part in ("a", "a/", "a.", "/"):
        assert local("/" + part * ((MAX_LOCAL_CHARS - 3) // len(part)) + "!") == "/"
        assert local("/" + part * 10_000 + "!") == "/"
    assert time.process_time() - began < 1.0


@given(st.text(max_size=300))
def test_where_one_is_sent_no_other_host_is(path: str) -> None:
    found = local(path)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
