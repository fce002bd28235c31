"""The site's payment software at the portal: it announces that a payment begins or ends in a trainee's call (P7).

By a token made for that (tokens.py). Whoever holds one may pause recordings, and take back what was announced over this
interface: never the dialplan's word, nor a window's. It learns nothing about recordings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.portal.tokens import Held, Scope

log = structlog.get_logger()

Announce = Callable[[str, bool], bool]
"""(trainee, a payment begins) -> whether this trainee has a call."""
NEEDED: Final = {words.Moment.BEGIN: Scope.PAYMENT_BEGIN, words.Moment.END: Scope.PAYMENT_END}


class Payments:
    """What the portal does with an announcement. Raises: words.Refused."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce

    def asked(self, held: Held, asked: words.PaymentAsked) -> words.PaymentNoted:
        """P7: announced or taken back for the trainee's present call, by a token that may do just that."""
        if NEEDED[asked.moment] not in held.token.scopes:
            raise words.Refused("scope", f"this token announces no {asked.moment.value} of a payment")
        known = self._announce(asked.trainee, asked.moment is words.Moment.BEGIN)
        log.info("payment", announced_by=held.name, moment=asked.moment.value, call=known)
        if not known:
            raise words.Refused("no-call", "nobody of this name has a call now")
        return words.PaymentNoted()


NO_PAYMENTS: Final = Payments(lambda _trainee, _begins: False)
"""A portal at which nobody announces payments."""
