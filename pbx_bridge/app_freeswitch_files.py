"""For `pbx-bridge doctor`: what FreeSWITCH's own files say of its event socket, its log and its phones' holds.

Reads them as they lie, without FreeSWITCH's `$${...}`; what is loaded meanwhile, or overridden elsewhere, it cannot know.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from xml.etree import ElementTree

FILE_LIMIT = 1 << 20
"""Bytes of one file read at most: a real one has 3 kB."""
LEVELS = ("console", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Of FreeSWITCH's log, by number; where nothing is said, all is written."""
KEEPS_DIGITS = LEVELS.index("info")
"""From here on each key pressed is a line: `RECV DTMF n` (measured)."""
KNOWN_PASSWORDS = ("ClueCon", "CHANGE-ME")
"""FreeSWITCH's own, and what stands in dialplan/freeswitch before the site's."""

Says = tuple[bool, str]


def event_socket(config_dir: Path) -> Says:
    """P17: whoever reaches it may do everything, in clear: the loopback only, with a password of the site's own."""
    file = config_dir / "autoload_configs/event_socket.conf.xml"
    try:
        found = _params(file)
    except _Unread as unread:
        return unread.says
    listen = found.get("listen-ip", "::")
    try:
        on_loopback = ipaddress.ip_address(listen).is_loopback
    except ValueError:
        on_loopback = False
    if not on_loopback:
        return False, f"{file} listens on {listen}: set listen-ip to 127.0.0.1 and restart FreeSWITCH"
    if found.get("password", KNOWN_PASSWORDS[0]) in KNOWN_PASSWORDS:
        return False, f"{file} has a password everybody knows: write the one in freeswitch.esl_secret_file"
    return True, "the loopback only, with a password of its own"


def digits_in_log(config_dir: Path) -> Says:
    """P7: whether FreeSWITCH's own log keeps the keys people press."""
    file = config_dir / "autoload_configs/switch.conf.xml"
    try:
        level = _params(file).get("loglevel", "debug").lower()
    except _Unread as unread:
        return unread.says
    named = LEVELS.index(level) if level in LEVELS else len(LEVELS)
    number = int(level) if level.isascii() and level.isdecimal() else named
    if number < KEEPS_DIGITS:
        return True, f"loglevel {level}: no key pressed is written"
    do = "set loglevel to notice there, then: fs_cli -x 'fsctl loglevel notice'"
    return False, f"loglevel {level} in {file} writes each key pressed, a card's number too: {do}"


def holds_told(config_dir: Path) -> Says:
    """P9: a SIP profile that ignores holds leaves us filming through them."""
    folder = config_dir / "sip_profiles"
    if not folder.is_dir():
        return True, _elsewhere(folder)
    try:
        deaf = [file for file in sorted(folder.glob("*.xml")) if _yes(_params(file).get("disable-hold", ""))]
    except _Unread as unread:
        return unread.says
    if deaf:
        named = ", ".join(map(str, deaf))
        return False, f"disable-hold in {named} hides holds, which would be recorded: set it to false there"
    return True, "every SIP profile passes them on"


def _yes(value: str) -> bool:
    """As FreeSWITCH's own switch_true; a value that only FreeSWITCH knows (`$${...}`) may mean it."""
    word = value.lower()
    return word in {"yes", "on", "true", "t", "enabled", "active", "allow"} or (
        bool(word) and (word.startswith("$") or (word.isascii() and word.isdecimal() and int(word) != 0))
    )


def _elsewhere(folder: Path) -> str:
    return f"not looked at: no {folder} here; compare by hand (dialplan/freeswitch/README.md)"


class _Unread(Exception):
    def __init__(self, good: bool, says: str) -> None:
        self.says = good, says


def _params(file: Path) -> dict[str, str]:
    """Each `param` of the file. Raises: _Unread."""
    if not file.parent.is_dir():
        raise _Unread(True, _elsewhere(file.parent))
    try:
        with file.open("rb") as opened:
            text = opened.read(FILE_LIMIT + 1)
        if len(text) > FILE_LIMIT:
            raise _Unread(False, f"{file} is larger than {FILE_LIMIT} bytes")
        root = ElementTree.fromstring(text)
    except OSError as error:
        raise _Unread(False, f"{file} cannot be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise _Unread(False, f"{file} is not XML: {error}") from error
    return {one.get("name", ""): one.get("value", "") for one in root.iter("param")}
