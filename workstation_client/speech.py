"""What the client says to the person at the desktop, in their language: gettext, with English as the key.

fr.po is the translators' file; fr.mo is made from it (`msgfmt -o fr.mo fr.po`) and a test holds them together.
"""

from __future__ import annotations

import functools
import gettext
from importlib import resources

from workstation_client.texts import language


@functools.cache
def _catalogue(spoken: str) -> gettext.NullTranslations:
    path = resources.files("workstation_client") / f"{spoken}.mo"
    if not path.is_file():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


def say(sentence: str) -> str:
    """The sentence in the language of the session."""
    return _catalogue(language()).gettext(sentence)
