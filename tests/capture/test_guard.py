"""P3 and P5 as a table: facts about a window in, allowed or the reason out. No window, no process, no file."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.programs import MAX_TITLE_PATTERN, rule_fault
from pbx_bridge.training import plans
from pbx_bridge.training.plans import Application
from pbx_bridge.window_rules import application_rule
from pbx_bridge.wire import ApplicationRule, Mask
from workstation_client.guard import (
    Allowed,
    ProcessFacts,
    ProgramFile,
    Refused,
    Why,
    WindowFacts,
    masked,
    may_capture,
    telling_secrets,
)

DESK = ApplicationRule("desk", "/opt/desk/desk", None, "Desk", None, None)
SCRIPT = ApplicationRule("script", "/usr/bin/python3.11", "/opt/desk/desk.py", "Desk", None, None)
BROWSER = ApplicationRule("crm", "/usr/lib/chromium/chromium", "https://crm.example/", "Chromium", None, None)

PROCESS = ProcessFacts(ProgramFile("/opt/desk/desk", changeable=False), ("/opt/desk/desk",), None)
WINDOW = WindowFacts(PROCESS, "desk", "Desk", "Order 12", shown=True, here=True, locked=False)


def browsing(*arguments: str, instance: str = "crm.example") -> WindowFacts:
    executable = ProgramFile("/usr/lib/chromium/chromium", changeable=False)
    process = ProcessFacts(executable, ("chromium", *arguments), None)
    return replace(WINDOW, process=process, instance=instance, wm_class="Chromium")


def running(path: str, *, changeable: bool = False, sha256: str | None = None) -> WindowFacts:
    return replace(WINDOW, process=replace(PROCESS, executable=ProgramFile(path, changeable, sha256)))


def interpreting(main: ProgramFile | None) -> WindowFacts:
    executable = ProgramFile("/usr/bin/python3.11", changeable=False)
    return replace(WINDOW, process=ProcessFacts(executable, ("python3", "/opt/desk/desk.py"), main))


MAIN = ProgramFile("/opt/desk/desk.py", changeable=False)
APP = ("--user-data-dir=/home/u/crm", "--app=https://crm.example/")


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        (WINDOW, DESK),
        (WINDOW, replace(DESK, wm_class="desk/Desk")),
        (WINDOW, replace(DESK, title="^Order [0-9]+$")),
        (interpreting(MAIN), SCRIPT),
        (browsing(*APP), BROWSER),
        (browsing("--disable-gpu", *APP, instance="crm.example__"), BROWSER),
    ],
)
def test_the_application_is_allowed(window: WindowFacts, rule: ApplicationRule) -> None:
    assert may_capture(window, [rule]) == Allowed(rule)


PINNED = replace(DESK, sha256="A" * 64)


@pytest.mark.parametrize(
    ("window", "rule", "why"),
    [
        (replace(WINDOW, process=None), DESK, Why.PROCESS_UNKNOWN),
        (running("/opt/desk/desk2"), DESK, Why.OTHER_PROGRAM),
        (running("/opt/desk/desk", changeable=True), DESK, Why.PROGRAM_CHANGEABLE),
        (WINDOW, PINNED, Why.OTHER_CONTENT),
        (running("/opt/desk/desk", sha256="b" * 64), PINNED, Why.OTHER_CONTENT),
        (replace(WINDOW, wm_class="Desk2"), DESK, Why.OTHER_CLASS),
        (replace(WINDOW, wm_class="desk", instance="Desk"), DESK, Why.OTHER_CLASS),
        (WINDOW, replace(DESK, wm_class="mail/Desk"), Why.OTHER_CLASS),
        (WINDOW, replace(DESK, title="^Invoice"), Why.OTHER_TITLE),
        (replace(WINDOW, title=None), replace(DESK, title=""), Why.OTHER_TITLE),
        (replace(WINDOW, shown=False), DESK, Why.HIDDEN),
        (replace(WINDOW, here=False), DESK, Why.OTHER_DESKTOP),
        (replace(WINDOW, locked=True), DESK, Why.LOCKED),
        (interpreting(None), SCRIPT, Why.OTHER_MAIN_PROGRAM),
        (interpreting(MAIN), replace(SCRIPT, main_program="/opt/desk/other.py"), Why.OTHER_MAIN_PROGRAM),
        (interpreting(ProgramFile("/opt/desk/desk.py", True)), SCRIPT, Why.MAIN_PROGRAM_CHANGEABLE),
        (interpreting(MAIN), replace(SCRIPT, main_program=None), Why.OTHER_PROGRAM),
        (browsing(), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(*APP, instance="chromium"), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(*APP, instance="crm.example.evil"), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(APP[1]), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(APP[0]), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(APP[0], "--app=https://mail.example/"), BROWSER, Why.OTHER_MAIN_PROGRAM),
        (browsing(*APP, "--app=https://mail.example/"), BROWSER, Why.OTHER_MAIN_PROGRAM),
    ],
)  # fmt: skip
def test_what_misses_in_one_thing_is_refused(window: WindowFacts, rule: ApplicationRule, why: Why) -> None:
    assert may_capture(window, [rule]) == Refused(why)


def test_an_empty_list_allows_nothing() -> None:
    assert may_capture(WINDOW, []) == Refused(Why.NO_RULE)


def test_one_of_several_rules_is_enough_and_the_nearest_miss_is_told() -> None:
    assert may_capture(WINDOW, [SCRIPT, DESK]) == Allowed(DESK)
    assert may_capture(WINDOW, [SCRIPT, replace(DESK, wm_class="Other")]) == Refused(Why.OTHER_CLASS)


@given(
    st.builds(
        WindowFacts,
        process=st.none() | st.just(PROCESS),
        instance=st.sampled_from(["desk", "Desk", "x"]),
        wm_class=st.sampled_from(["Desk", "desk", ""]),
        title=st.none() | st.sampled_from(["Order 12", "Mail"]),
        shown=st.booleans(),
        here=st.booleans(),
        locked=st.booleans(),
    )
)
def test_nothing_short_of_every_fact_is_allowed(window: WindowFacts) -> None:
    whole = window.process == PROCESS and window.wm_class == "Desk"
    whole = whole and window.shown and window.here and not window.locked
    assert isinstance(may_capture(window, [DESK]), Allowed) == whole


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        (replace(DESK, executable="desk"), "full path"),
        (replace(DESK, wm_class=""), "wm_class"),
        (replace(SCRIPT, main_program=None), "runs any program"),
        (replace(SCRIPT, executable="/usr/bin/xterm", main_program=None), "runs any program"),
        (replace(SCRIPT, executable="/usr/bin/java", main_program=None), "runs any program"),
        (replace(SCRIPT, main_program="desk.py"), "full path"),
        (replace(BROWSER, main_program=None), "browser"),
        (replace(BROWSER, main_program="/etc/passwd"), "browser"),
        (replace(BROWSER, main_program="file:///etc/passwd"), "browser"),
        (replace(BROWSER, executable="/usr/bin/firefox-esr", main_program=None), "browser"),
        (replace(DESK, title="("), "regular expression"),
        (replace(DESK, title="a" * (MAX_TITLE_PATTERN + 1)), "longer"),
        (replace(DESK, sha256="abc"), "64"),
    ],
)
def test_a_rule_that_cannot_hold_says_what_is_wrong(rule: ApplicationRule, part: str) -> None:
    assert part in (rule_fault(rule) or "")
    assert isinstance(may_capture(WINDOW, [rule]), Refused)


def test_good_rules_have_no_fault() -> None:
    assert [rule_fault(rule) for rule in (DESK, SCRIPT, BROWSER)] == [None, None, None]


side = st.integers(-700, 700)
size = st.integers(1, 900)


@given(side, side, size, size, st.integers(1, 640), st.integers(1, 480))
def test_a_mask_covers_exactly_its_part_of_the_window(
    x: int, y: int, width: int, height: int, window_width: int, window_height: int
) -> None:
    rule = replace(DESK, masks=(Mask(x, y, width, height),))
    left, top = (x if x >= 0 else window_width + x), (y if y >= 0 else window_height + y)
    wide = len(set(range(left, left + width)) & set(range(window_width)))
    high = len(set(range(top, top + height)) & set(range(window_height)))
    found = masked(rule, (rule,), window_width, window_height)
    assert [(w, h) for _, _, w, h in found] == ([(wide, high)] if wide and high else [])
    for at_x, at_y, _, _ in found:
        assert (at_x, at_y) == (max(left, 0), max(top, 0))


def test_every_rule_about_the_program_masks_it() -> None:
    """A title that changes to one of another rule uncovers nothing."""
    orders = replace(DESK, name="orders", title="^Order", masks=(Mask(0, 0, 10, 10),))
    people = replace(DESK, name="people", title="^Person", masks=(Mask(-10, 0, 10, 10),))
    other = replace(DESK, executable="/opt/other", masks=(Mask(0, 50, 10, 10),))
    for rule in (orders, people):
        assert masked(rule, (orders, people, other), 100, 80) == [(0, 0, 10, 10), (90, 0, 10, 10)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"masks": (Mask(0, 0, 1, 1),) * 16, "pause_titles": ("^Payment",) * 8}, None),
        ({"masks": (Mask(0, 0, 1, 1),) * 17}, "at most 16 masks"),
        ({"pause_titles": ("^Payment",) * 9}, "8 pause titles"),
        ({"masks": (Mask(0, 0, 0, 1),)}, "width and a height"),
        ({"pause_titles": ("(",)}, "not a regular expression"),
        ({"pause_titles": ("x" * 257,)}, "longer than 256"),
        ({"pause_titles": (".*",)}, "pause everything"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(change: dict[str, object], fault: str | None) -> None:
    found = rule_fault(replace(DESK, **change))  # type: ignore[arg-type]
    assert found is None if fault is None else found is not None and fault in found


def test_either_of_a_windows_two_names_tells() -> None:
    """WM_NAME and _NET_WM_NAME may differ; patterns are searched, and the rule's own title narrows nothing here."""
    rule = ApplicationRule("a", "/opt/a", None, "A", "^Order", None, (), ("^Payment", "CB"))
    other = replace(rule, name="b", pause_titles=())
    wide = (replace(rule, title=None),)
    assert telling_secrets(("Order 12", "Payment"), (rule, other)) == wide
    assert telling_secrets(("Paiement par CB", "Order"), (other, rule)) == wide
    assert telling_secrets(("Order 12", "No Payment"), (rule, other)) == ()
    assert telling_secrets((), (rule,)) == ()


def test_every_field_of_a_planned_application_is_in_the_rule() -> None:
    planned = Application(
        "a", "/opt/a", "/opt/m", "A", "^T", "ab" * 32, (plans.Mask(1, -2, 3, 4),), ("^P", "Q")
    )
    rule = ApplicationRule("a", "/opt/a", "/opt/m", "A", "^T", "ab" * 32, (Mask(1, -2, 3, 4),), ("^P", "Q"))
    assert application_rule(planned) == rule
    assert {field.name for field in fields(planned)} == {field.name for field in fields(rule)}
