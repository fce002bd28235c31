"""Asterisk's features.conf: which keys do what during a call, and which of them are in each other's way.

Pure: it is given the lines as Asterisk reads them, includes resolved. Asterisk acts on the first code that fits, so a
code that begins like another is in its way.
Source: docs.asterisk.org, "Feature Code Call Features"; Asterisk 22 main/features_config.c for the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OBJECTION, PRIVATE = "pbxb_objection", "pbxb_private"
"""Our two, as dialplan/asterisk/features_pbxb.conf names them."""
DEFAULTS = {"blindxfer": "#", "disconnect": "*"}
"""What holds where [featuremap] says nothing; the others have no code then."""
_BUILT_IN = frozenset({"blindxfer", "disconnect", "automon", "automixmon", "atxfer", "parkcall"})
_NO_GROUPS = frozenset({"general", "applicationmap", "featuremap"})
_CODE = re.compile(r"[0-9A-D*#]{1,10}\Z")
_SECTION = re.compile(r"\[([^\]]{1,80})\]")


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    code: str
    default: bool = False
    """Nobody wrote it down: Asterisk's own."""


def features(lines: Iterable[str]) -> tuple[Feature, ...]:
    """Every code that means something during a call, in the order of their names.

    Any other section is a group: the codes its channels have for applications of the map, instead of the map's own.
    """
    found = {name: Feature(name, code, default=True) for name, code in DEFAULTS.items()}
    grouped: list[tuple[str, Feature]] = []
    for section, name, value in _settings(lines):
        code = value.split(",")[0].strip()
        if section == "applicationmap" and _CODE.match(code):
            found[name] = Feature(name, code)
        elif section == "featuremap" and name in _BUILT_IN:
            found.pop(name, None)
            if _CODE.match(code):
                found[name] = Feature(name, code)
        elif section not in _NO_GROUPS and name not in (OBJECTION, PRIVATE) and _CODE.match(code):
            grouped.append((name, Feature(f"{name} of group {section}", code)))
    found |= {feature.name: feature for name, feature in grouped if name in found}
    return tuple(found[name] for name in sorted(found))


def clashes(known: Iterable[Feature]) -> tuple[tuple[Feature, Feature], ...]:
    """P16: pairs of one of ours and another, of which one begins like the other."""
    everything = tuple(known)
    ours = [feature for feature in everything if feature.name in (OBJECTION, PRIVATE)]
    return tuple(
        (own, other)
        for own in ours
        for other in everything
        if (other not in ours or own.name < other.name)
        and (own.code.startswith(other.code) or other.code.startswith(own.code))
    )


def _settings(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(section, name, value) of each setting; comments, blocks of them too, aside."""
    section, commented = "", False
    for line in lines:
        text = line.strip()
        if text.startswith(";--") and not text.startswith(";---"):
            commented = "--;" not in text
            continue
        if commented:
            commented = "--;" not in text
            continue
        text = re.split(r"(?<!\\);", text)[0].strip()
        if heading := _SECTION.match(text):
            section = heading.group(1).lower()
        elif "=" in text:
            name, _, value = text.partition("=")
            yield section, name.strip(), value.removeprefix(">").strip().strip('"')
