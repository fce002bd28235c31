"""Whether a passphrase is hard enough to guess: by an estimate of its entropy, not by rules about its characters.

CNIL 2022-100 asks for 80 bits from a passphrase alone and 50 from one whose guessing is slowed. Here it is slowed
(attempts.py) and a second factor stands beside it; still 80 are asked for, by zxcvbn, because zxcvbn knows English words
and counts what it does not know, a French word too, with 3.3 bits a character: what it takes for 80 keeps 50.
Pure. It knows a text; never whose.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Final

from zxcvbn import zxcvbn

NEEDED_BITS: Final = 80.0
MAX_CHARS: Final = 128
"""Argon2 takes any length; a form field does not."""
LOOKED_AT_CHARS: Final = 64
"""zxcvbn's time grows with the square of the length; what comes after can only make it harder."""
_OURS: Final = (
    "pbx-bridge",
    "pbxbridge",
    "bridge",
    "asterisk",
    "freeswitch",
    "portal",
    "portail",
    "motdepasse",
)


def normal(passphrase: str) -> str:
    """One form for all keyboards (NFKC), as it is hashed."""
    return unicodedata.normalize("NFKC", passphrase)


def bits(passphrase: str) -> float:
    """Its estimated entropy."""
    text = normal(passphrase)[:LOOKED_AT_CHARS]
    if not text:
        return 0.0
    return math.log2(float(zxcvbn(text, user_inputs=list(_OURS))["guesses"]))


def is_strong(passphrase: str) -> bool:
    """CNIL 2022-100: whether it may guard an account."""
    return len(passphrase) <= MAX_CHARS and bits(passphrase) >= NEEDED_BITS
