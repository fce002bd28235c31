"""FreeSWITCH's dialplan: which keys a site gives to phones during a call, and which are in the way of ours.

Pure: it is given the files' texts. Read with patterns, not as XML: FreeSWITCH takes fragments, includes and comments
that no XML parser does. Source: developer.signalwire.com/freeswitch, "mod_dptools: bind_digit_action", "bind_meta_app";
switch_ivr_async.c of 1.11.1 for what acts when.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

OWN_REALM = "pbxb"
"""Ours, where the site names none (`pbxb_realm`)."""
META = "*"
"""The key before each of bind_meta_app's."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ACTION = re.compile(r"<(?:anti-)?action\b((?:\s+[A-Za-z0-9_-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)")
_ATTRIBUTE = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SET = re.compile(
    r"<X-PRE-PROCESS\s+cmd\s*=\s*[\"']set[\"']\s+data\s*=\s*[\"'](pbxb_[A-Za-z0-9_]+)=([^\"']*)[\"']"
)
_CODE = re.compile(r"[0-9A-D*#]{1,20}\Z")
PATTERN = "~"
"""Before a regular expression in place of keys."""
_COMMA = re.compile(r",(?=(?:[^']*'[^']*')*[^']*\Z)")
"""Not one between quotation marks."""
_FOR_THE_CALLED = frozenset({"peer", "both"})


@dataclass(frozen=True, slots=True)
class Binding:
    """Keys that do something on a phone."""

    code: str
    realm: str | None
    """None: of bind_meta_app, which knows none."""
    called: bool
    """Also, or only, on the phone that is called: it is the caller's channel that holds them."""
    where: str

    @property
    def is_pattern(self) -> bool:
        """A regular expression instead of keys."""
        return self.code.startswith(PATTERN)


def bindings(texts: Mapping[str, str]) -> tuple[Binding, ...]:
    """`texts` by the names of their files."""
    return tuple(found for where, text in texts.items() for found in _bindings(where, text))


def settings(texts: Iterable[str]) -> dict[str, str]:
    """Our globals that the site sets for all calls, as in vars.xml; the last one holds."""
    return {name: value for text in texts for name, value in _SET.findall(_COMMENT.sub("", text))}


def clashes(ours: Iterable[str], known: Iterable[Binding], realm: str) -> tuple[tuple[str, Binding], ...]:
    """P16: pairs of a code of ours and one of the site's that acts at the same time and begins like it.

    A regular expression is in the way of every code, whatever it means: beside one, FreeSWITCH waits for the digit
    time-out before a plain code acts (switch_ivr_dmachine_check_match).
    """
    beside = [one for one in known if one.realm in (None, realm)]
    return tuple(
        (code, one)
        for code in ours
        for one in beside
        if one.is_pattern or code.startswith(one.code) or one.code.startswith(code)
    )


def other_realms(known: Iterable[Binding], realm: str) -> tuple[str, ...]:
    """P16: whichever realm is set last on a channel turns the other's keys off."""
    return tuple(sorted({one.realm for one in known if one.realm is not None and one.realm != realm}))


def for_the_called(known: Iterable[Binding]) -> tuple[Binding, ...]:
    """What a trainee's phone does not reach while its channel has keys of its own."""
    return tuple(one for one in known if one.called)


def _bindings(where: str, text: str) -> Iterator[Binding]:
    for attributes in _ACTION.findall(_COMMENT.sub("", text)):
        has = {name: double or single for name, double, single in _ATTRIBUTE.findall(attributes)}
        data = has.get("data", "")
        match has.get("application"):
            case "bind_meta_app":
                key, _, rest = data.partition(" ")
                if _CODE.match(key) and len(key) == 1:
                    yield Binding(META + key, None, "b" in rest.split(" ")[0], where)
            case "bind_digit_action":
                parts = _COMMA.split(data)
                if len(parts) > 2 and (_CODE.match(parts[1]) or parts[1].startswith(PATTERN)):
                    target = parts[4] if len(parts) > 4 else "self"
                    yield Binding(parts[1], parts[0], target in _FOR_THE_CALLED or "$" in target, where)
            case _:
                pass
