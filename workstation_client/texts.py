"""What the client writes on the user's screen, in French and English.

One table, complete for every language by a test. It knows words only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum


class Text(Enum):
    """A sentence shown to the trainee."""

    RECORDING = "recording"
    PAUSED = "paused"
    WAITING = "waiting"


TABLE: Mapping[str, Mapping[Text, str]] = {
    "fr": {
        Text.RECORDING: "Enregistrement pour la formation en cours",
        Text.PAUSED: "Enregistrement en pause",
        Text.WAITING: "Enregistrement : la fenêtre n'est pas montrée",
    },
    "en": {
        Text.RECORDING: "Recording for training",
        Text.PAUSED: "Recording paused",
        Text.WAITING: "Recording: the window is not shown",
    },
}


def language(environment: Mapping[str, str] = os.environ) -> str:
    """The user's language as the session says it, of those there are; English otherwise."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            found = environment[name][:2].lower()
            return found if found in TABLE else "en"
    return "en"


def text(which: Text, spoken: str) -> str:
    return TABLE[spoken][which]
