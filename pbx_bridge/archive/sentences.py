"""What a refusal says to the person who asked: what it is, and what they can do.

Words only. Somebody without a right to a recording reads exactly what a guessed id gets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from pbx_bridge.archive.release import TECHNICAL, Refusal, Refused


def sentence(refused: Refused) -> str:
    """One line for a person."""
    match refused.refusal:
        case Refusal.UNKNOWN:
            return "there is no such recording for you: see `pbx-bridge list` for those you may open"
        case Refusal.ON_ITS_WAY:
            return (
                "this recording is still on its way: it opens after the call has ended and the file is sealed"
            )
        case Refusal.NOT_KEPT:
            why = f" ({refused.detail})" if refused.detail else ""
            if refused.detail in TECHNICAL:
                why = f" (technical fault: {refused.detail})"
            return f"nothing was kept of this call: not recorded{why}"
        case Refusal.TRAINEE_FIRST:
            return (
                "this recording is still the trainee's alone: it opens for you when they hand it over, "
                f"or at {when(refused.until)}"
            )
        case Refusal.EXPIRED:
            return (
                f"this recording's time of keeping ended at {when(refused.until)}: it opens for nobody (P20)"
            )
        case Refusal.KEY_UNCONFIRMED:
            return "your key is not confirmed yet: the approver has to compare its fingerprint with you (P22)"
        case Refusal.RESTRICTED:
            return f"until {when(refused.until)} this recording is stored and nothing else: a person asked so (P23)"
        case Refusal.KEPT_FOR_REQUEST:
            return (
                f"an open request keeps this recording, at the latest until {when(refused.until)} (P20): until then "
                "it opens for nobody, and then it is destroyed"
            )
        case Refusal.NOT_GRANTED:
            return (
                "no open request asks for a copy of this recording, or no approver compared the requester's key: "
                "pbx-bridge request list"
            )
        case Refusal.CLOCK:
            return "this bridge's clock is in doubt: nothing opens until the administrator has confirmed it (P20)"
        case _:
            assert_never(refused.refusal)


def when(unix: int) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")
