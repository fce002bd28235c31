"""For `pbx-bridge doctor`: whether FreeSWITCH has our dialplan, and no binding of the site's is in the way of a key (P16).

Reads the site's dialplan as it lies in FreeSWITCH's folder; what a database or a web server delivers it cannot see.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pbx_bridge.app_freeswitch_files import FILE_LIMIT, Says
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.telephony.freeswitch.bindings import (
    OWN_REALM,
    Binding,
    bindings,
    clashes,
    for_the_called,
    other_realms,
    settings,
)

OURS = "pbxb/pbxb.xml"
"""Below FreeSWITCH's folder: where the bridge and the site call our extensions."""
FILES_LIMIT = 2000
"""Of a dialplan: FreeSWITCH's sample has a dozen."""


def dialplan(section: Freeswitch) -> Says:
    """Whether our extensions are where they are called."""
    folder = section.config_dir
    if not folder.is_dir():
        return True, _elsewhere(folder)
    try:
        _text(folder / OURS)
    except OSError as error:
        return (
            False,
            f"{folder / OURS} cannot be read ({error.strerror}): copy dialplan/freeswitch/pbxb.xml there",
        )
    return True, str(folder / OURS)


def keys(section: Freeswitch) -> Says:
    """P16: whether each key of a call reaches us, and the sentence that says what is in the way and what to do."""
    folder = section.config_dir
    if not folder.is_dir():
        return True, _elsewhere(folder)
    try:
        files = sorted((folder / "dialplan").rglob("*.xml"))
        if len(files) > FILES_LIMIT:
            return False, f"more than {FILES_LIMIT} files in {folder}/dialplan: not read, compare by hand"
        site = {str(file.relative_to(folder)): _text(file) for file in files}
        said = settings(_text(file) for file in sorted(folder.glob("*.xml")))
    except OSError as error:
        return False, f"{error.filename} cannot be read: {error.strerror}"
    realm, known = said.get("pbxb_realm", OWN_REALM), bindings(site)
    wrong = [
        *(_clash(code, one) for code, one in clashes(section.codes.values(), known, realm)),
        *(
            f"{_set('pbxb_realm', other)}: the site binds keys in that realm"
            for other in other_realms(known, realm)
        ),
    ]
    if not said.get("pbxb_trainee_keys"):
        wrong += _for_the_called(for_the_called(known))
    if wrong:
        return False, "; ".join(wrong)
    return True, f"{', '.join(section.codes.values())}; nothing of the site's own is in the way"


def _clash(code: str, one: Binding) -> str:
    if one.is_pattern:
        return f"{code} waits for the digit time-out beside the site's {one.code} ({one.where}): name its keys plainly"
    return f"{code} and the site's {one.code} ({one.where}) begin alike: change one of them"


def _for_the_called(known: tuple[Binding, ...]) -> list[str]:
    if not known:
        return []
    which = ", ".join(dict.fromkeys(one.code for one in known))
    says = f"{which} ({known[0].where}) do nothing on a called trainee's phone while it has keys of ours"
    return [f"{says}: decide, with {_set('pbxb_trainee_keys', 'no')}, or yes"]


def _set(name: str, value: str) -> str:
    return f'<X-PRE-PROCESS cmd="set" data="{name}={value}"/> in vars.xml'


def _elsewhere(folder: Path) -> str:
    return f"not looked at: no {folder} here; compare by hand (dialplan/freeswitch/README.md)"


def _text(file: Path) -> str:
    """Raises: OSError, for a file that is too large as well: half of it would say half of what is in the way."""
    with file.open("rb") as opened:
        text = opened.read(FILE_LIMIT + 1)
    if len(text) > FILE_LIMIT:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file))
    return text.decode(errors="replace")
