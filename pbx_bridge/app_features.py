"""For `pbx-bridge doctor`: whether the keys people press during a call are there, and in nobody's way (P16).

Reads features.conf as Asterisk would, includes too; what Asterisk has loaded meanwhile it cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pbx_bridge.config_pbx import Asterisk
from pbx_bridge.telephony.asterisk.translate_features import OBJECTION, PRIVATE, Feature, clashes, features

DEPTH_LIMIT = 10
"""Files that include each other: Asterisk itself stops at ten."""
LINES_LIMIT = 20_000
_INCLUDE = re.compile(r"\s*#(?:try)?include\s+[\"<]?([^\">;]+?)[\">]?\s*(?:;.*)?\Z")


def keys_of(section: Asterisk) -> tuple[bool, str]:
    """Whether all is well, and the sentence that says what is not and what to do."""
    folder = section.config_dir
    if not folder.is_dir():
        return True, f"not looked at: no {folder} here; compare by hand (dialplan/asterisk/README.md)"
    file = folder / "features.conf"
    try:
        found = {feature.name: feature for feature in features(_lines(file, folder))}
    except OSError as error:
        return False, f"{error.filename or file} cannot be read: {error.strerror}"
    for name, wanted, key in (
        (OBJECTION, section.objection_code, "objection_code"),
        (PRIVATE, section.private_code, "private_code"),
    ):
        if name not in found:
            return False, f"{file} has no {name}: include features_pbxb.conf in [applicationmap]"
        if found[name].code != wanted:
            says = f"{name} is {found[name].code} in {file.name} and {wanted} in asterisk.{key}, which notices tell"
            return False, f"{says}: write the same"
    if met := clashes(found.values()):
        return False, "; ".join(_clash(*pair) for pair in met)
    return (
        True,
        f"{section.objection_code} objects, {section.private_code} is private; no other code begins alike",
    )


def _clash(own: Feature, other: Feature) -> str:
    whose = "Asterisk's default for" if other.default else "the site's"
    do = "give it another in [featuremap]" if other.default else "change one of them"
    return f"{own.name} ({own.code}) and {whose} {other.name} ({other.code}) begin alike: {do}"


def _lines(file: Path, folder: Path, depth: int = 0) -> Iterator[str]:
    """Raises: OSError when the file, or one it must include, cannot be read."""
    with file.open(errors="replace") as opened:
        for number, line in enumerate(opened):
            if number >= LINES_LIMIT:
                return
            included = _INCLUDE.match(line)
            if included is None:
                yield line
            elif depth < DEPTH_LIMIT:
                yield from _included(folder, included.group(1).strip(), "tryinclude" in line, depth)


def _included(folder: Path, name: str, may_lack: bool, depth: int) -> Iterator[str]:
    """As Asterisk: relative to its folder, with * and ? for several."""
    path = Path(name) if name.startswith("/") else folder / name
    several = sorted(path.parent.glob(path.name)) if re.search(r"[*?]", path.name) else [path]
    for one in several:
        if may_lack and not one.exists():
            continue
        yield from _lines(one, folder, depth + 1)
