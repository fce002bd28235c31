"""The permit: the only thing with which a capture can be ordered, made in one place out of four proofs.

A plan and its draw (P11, P13), the trainee's acknowledgement of the current notice (P14), the caller's notice event
(P16). A `Permit` cannot be built elsewhere: the constructor wants a key that only `issue` holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import ChannelId
from pbx_bridge.training.plans import Draw, Plan

_ISSUER = object()


@dataclass(frozen=True, slots=True)
class NoticeEvent:
    """A party heard the caller's notice to its end (P16)."""

    party: ChannelId
    notice: str
    """Hash of the text it heard, as the dialplan reported it."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to record one call with one party. Raises: TypeError when built anywhere but in `issue`."""

    draw: Draw
    acknowledgement: str
    notice: NoticeEvent
    issuer: object

    def __post_init__(self) -> None:
        if self.issuer is not _ISSUER:
            raise TypeError("a Permit is made by calls.permit.issue alone")

    @property
    def plan(self) -> Plan:
        return self.draw.plan


def issue(draw: Draw, acknowledged: str, current_notice: str, heard: NoticeEvent) -> Permit | Reason:
    """P14, P16: a permit, or the reason why there is none.

    `acknowledged` is the hash the station's user acknowledged, `current_notice` the hash of the text in force.
    """
    if not heard.notice:
        return Reason.NO_NOTICE
    if not current_notice or acknowledged != current_notice:
        return Reason.NOT_ACKNOWLEDGED
    return Permit(draw, acknowledged, heard, _ISSUER)
