"""What may be seen: facts about one window in, allowed or refused with a reason out.

It knows the rules the trainee acknowledged (`wire.ApplicationRule`) and facts others gathered: the process behind a window
as the window system tells it, its files, its class and title. It must never look anything up itself: no X connection, no
file, no clock. Whatever is missing refuses (P10).

Residual risks, said in docs/privacy.md: a program of the same user that forges its own command line, is loaded into the
application (LD_PRELOAD, PYTHONPATH) or draws on the application's window over X is not told apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from pbx_bridge.programs import Kind, browser_app, is_app_instance, kind_of, rule_fault
from pbx_bridge.wire import ApplicationRule


class Why(Enum):
    """Why a window is not shown, nearest miss last (the furthest a window came is what gets reported)."""

    NO_RULE = "no application is on the list"
    NO_WINDOW = "no window of the application is open"
    PROCESS_UNKNOWN = "the window system does not tell which process owns the window"
    OTHER_PROGRAM = "the window belongs to another program"
    PROGRAM_CHANGEABLE = "the program's file can be changed by the user"
    OTHER_MAIN_PROGRAM = "the interpreter, terminal or browser runs something else"
    MAIN_PROGRAM_CHANGEABLE = "the main program's file can be changed by the user"
    OTHER_CONTENT = "the program's file is not the one whose SHA-256 is on the list"
    OTHER_CLASS = "the window's class is another one"
    OTHER_TITLE = "the window's title is another one"
    OTHER_DESKTOP = "the window is on another desktop"
    HIDDEN = "the window is hidden"
    LOCKED = "the screen is locked"


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A file a process runs, as the kernel resolves it."""

    path: str
    changeable: bool
    """The user may write it, replace it or rename a folder above it."""
    sha256: str | None = None
    """Lower-case hex; None when no rule asked for it."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The process behind a window, by the window system's own knowledge (X: XRes)."""

    executable: ProgramFile
    arguments: tuple[str, ...]
    main_program: ProgramFile | None
    """For an interpreter or terminal: the file it runs. None when there is none or it is not certain."""


@dataclass(frozen=True, slots=True)
class WindowFacts:
    process: ProcessFacts | None
    instance: str
    wm_class: str
    title: str | None
    shown: bool
    """Mapped and not iconified."""
    here: bool
    """On the desktop that is being shown."""
    locked: bool
    """The screen is locked or its owner is away."""


@dataclass(frozen=True, slots=True)
class Allowed:
    rule: ApplicationRule


@dataclass(frozen=True, slots=True)
class Refused:
    why: Why


Verdict: TypeAlias = Allowed | Refused


def may_capture(window: WindowFacts, rules: Sequence[ApplicationRule]) -> Verdict:
    """P3: only a window of an application on the list, by process identity *and* window class; a title only narrows.

    The process comes from the window system, never from a property the window sets about itself. Its executable is compared
    by resolved path, must be a file the user cannot change, and may be pinned by SHA-256 (of the main program where the rule
    names one). Interpreters, terminals and runtimes identify nothing: their main program file counts, under the same
    conditions. P4: hidden, on another desktop or behind the lock screen it is refused as well. An empty list allows nothing.
    """
    nearest = Why.NO_RULE
    order = list(Why)
    for rule in rules:
        why = _misses(window, rule)
        if why is None:
            return Allowed(rule)
        nearest = max(nearest, why, key=order.index)
    return Refused(nearest)


def masked(
    rule: ApplicationRule, rules: Sequence[ApplicationRule], width: int, height: int
) -> list[tuple[int, int, int, int]]:
    """P7: the parts (x, y, width, height) of a window of this size that are never shown, given the rule that allows it.

    Every rule about the same program counts, whatever it says of titles: two rules of different width never show more than
    the narrower one. A negative x or y counts from the far edge; what lies outside is cut off.
    """
    found = []
    same = [
        one for one in rules if (one.executable, one.main_program) == (rule.executable, rule.main_program)
    ]
    for mask in [mask for one in same for mask in one.masks]:
        left, top = mask.x + (width if mask.x < 0 else 0), mask.y + (height if mask.y < 0 else 0)
        right, bottom = min(left + mask.width, width), min(top + mask.height, height)
        left, top = max(left, 0), max(top, 0)
        if left < right and top < bottom:
            found.append((left, top, right - left, bottom - top))
    return found


def telling_secrets(titles: Sequence[str], rules: Sequence[ApplicationRule]) -> tuple[ApplicationRule, ...]:
    """P7: the rules by which a window with one of these titles tells that a secret is shown or spoken, if it is their
    application's.

    Their title narrowing is taken off: a payment window counts although it would never be filmed itself.
    """
    return tuple(
        replace(rule, title=None)
        for rule in rules
        if any(re.search(pattern, title) for pattern in rule.pause_titles for title in titles)
    )


def _misses(window: WindowFacts, rule: ApplicationRule) -> Why | None:
    """Why `rule` (P3) does not cover `window`, None when it does."""
    process = window.process
    if process is None:
        return Why.PROCESS_UNKNOWN
    if rule_fault(rule) is not None or process.executable.path != rule.executable:
        return Why.OTHER_PROGRAM
    if process.executable.changeable:
        return Why.PROGRAM_CHANGEABLE
    kind = kind_of(rule.executable)
    pinned = process.executable
    if kind is Kind.BROWSER:
        if _is_other_app(window, process, rule):
            return Why.OTHER_MAIN_PROGRAM
    elif rule.main_program is not None:
        if process.main_program is None or process.main_program.path != rule.main_program:
            return Why.OTHER_MAIN_PROGRAM
        if process.main_program.changeable:
            return Why.MAIN_PROGRAM_CHANGEABLE
        pinned = process.main_program
    if rule.sha256 is not None and pinned.sha256 != rule.sha256.lower():
        return Why.OTHER_CONTENT
    if rule.wm_class not in (window.wm_class, f"{window.instance}/{window.wm_class}"):
        return Why.OTHER_CLASS
    if rule.title is not None and (window.title is None or not re.search(rule.title, window.title)):
        return Why.OTHER_TITLE
    if window.locked:
        return Why.LOCKED
    if not window.shown:
        return Why.HIDDEN
    return None if window.here else Why.OTHER_DESKTOP


def _is_other_app(window: WindowFacts, process: ProcessFacts, rule: ApplicationRule) -> bool:
    """P5: a browser window counts only as the app-mode window of the rule's address, in a process and profile of its own.

    The same process can open ordinary windows too; those carry another WM_CLASS instance than the application's.
    """
    app = browser_app(process.executable.path, process.arguments)
    if app is None or app[0] != rule.main_program:
        return True
    return not is_app_instance(window.instance, app[0])
