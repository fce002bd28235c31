"""Who may have a copy of what, and who may have a recording erased, for their own rights (P23): pure decisions.

They eat what the keeper has proven and keeps; they stand beside archive/release.py and are asked in the same place, where
the key is. A copy is one voice; whose, is decided here too.
"""

from __future__ import annotations

from pbx_bridge.archive.manifest import State
from pbx_bridge.archive.release import Answer, Asker, Granted, Holding, Refusal, Refused, visible_reason
from pbx_bridge.archive.rules import Keeping, latest_not_after
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Party, Right, RightsRequest


def may_export_own(
    asker: Asker, holding: Holding | None, now: int | None, keeping: Keeping, suspended_until: int
) -> Answer:
    """P18, P23: whether a trainee may have a copy of this recording of their own, the customer's voice silenced.

    As long as it opens for them; and longer where their own open request keeps it. A restricted one is stored and nothing
    else. `now` is None while the clock is in doubt.
    """
    if now is None:
        return Refused(Refusal.CLOCK)
    if holding is None or asker.role is not Role.TRAINEE or asker.name != holding.manifest.trainee:
        return Refused(Refusal.UNKNOWN)
    if not asker.confirmed:
        return Refused(Refusal.KEY_UNCONFIRMED)
    if not_there := _not_there(asker, holding, now):
        return not_there
    end = holding.end(keeping)
    if now >= max(end.at, suspended_until):
        return Refused(Refusal.EXPIRED, until=end.at)
    if holding.restricted_until is not None and now < holding.restricted_until:
        return Refused(Refusal.RESTRICTED, until=holding.restricted_until)
    return Granted()


def may_export_requested(
    request: RightsRequest | None, recording: RecordingId, holding: Holding | None, now: int | None
) -> Answer:
    """P23: whether this recording's copy may go to the key of this request: open, in time, about this recording, and, for
    a customer, only after a second person compared the key (P22). `now` is None while the clock is in doubt."""
    if now is None:
        return Refused(Refusal.CLOCK)
    if request is None or holding is None or recording not in request.recordings:
        return Refused(Refusal.UNKNOWN)
    if request.right is not Right.ACCESS or request.closed_at is not None or not request.recipient:
        return Refused(Refusal.NOT_GRANTED)
    if request.party is Party.TRAINEE and request.trainee != holding.manifest.trainee:
        return Refused(Refusal.UNKNOWN)
    if request.party is Party.CUSTOMER and not request.granted_by:
        return Refused(Refusal.NOT_GRANTED)
    if now >= request.due_at:
        return Refused(Refusal.EXPIRED, until=request.due_at)
    return _not_there(Asker(holding.manifest.trainee, Role.TRAINEE, True), holding, now) or Granted()


def may_erase(asker: Asker, holding: Holding | None, now: int) -> Answer:
    """P18, P23: whether a trainee may have this recording of their own destroyed: at any time once it
    is sealed (before, a call is made private), unless an open request keeps it for somebody."""
    if holding is None or asker.role is not Role.TRAINEE or asker.name != holding.manifest.trainee:
        return Refused(Refusal.UNKNOWN)
    if not asker.confirmed:
        return Refused(Refusal.KEY_UNCONFIRMED)
    if holding.destroyed is not None:
        return Refused(Refusal.NOT_KEPT, detail=visible_reason(asker, holding.destroyed))
    if holding.manifest.state is State.RECORDING:
        return Refused(Refusal.ON_ITS_WAY)
    if holding.suspended_until is not None and now < holding.suspended_until:
        return Refused(Refusal.KEPT_FOR_REQUEST, until=holding.suspended_until)
    return Granted()


def _not_there(asker: Asker, holding: Holding, now: int) -> Refused | None:
    """P20: nothing is made of what is destroyed, unfinished, or past the ceiling, whatever keeps it."""
    ceiling = latest_not_after(holding.manifest.start)
    if now >= ceiling:
        return Refused(Refusal.EXPIRED, until=ceiling)
    if holding.destroyed is not None:
        return Refused(Refusal.NOT_KEPT, detail=visible_reason(asker, holding.destroyed))
    if holding.manifest.state is State.RECORDING:
        return Refused(Refusal.ON_ITS_WAY)
    return None
