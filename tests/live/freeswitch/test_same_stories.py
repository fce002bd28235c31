"""The scenes of the Asterisk tests, word for word, on FreeSWITCH: the same calls, the same truth, the same judgement."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from tests.live import (
    test_desk,
    test_faults,
    test_holds_and_transfers,
    test_media,
    test_objections,
    test_payment,
    test_plain_calls,
    test_queues,
    test_refusals,
    test_rights,
)

TOLD = (
    test_plain_calls, test_holds_and_transfers, test_queues, test_refusals, test_objections, test_payment, test_desk,
    test_media, test_faults, test_rights,
)  # fmt: skip
OF_ASTERISK_ALONE = {
    "test_a_blind_transfer_by_feature_code": "Dial's own option; here the phone's or the dialplan's",
    "test_an_attended_transfer_by_feature_code": "the same",
    "test_direct_media": "FreeSWITCH's bypass_media cannot be undone: test_voices.py",
    "test_parking": "a transfer like any other, by the time anybody is parked: test_transfers.py",
}
"""Scenes that are not played here, and why."""


def scenes(module: ModuleType) -> Iterator[str]:
    return (name for name, test in vars(module).items() if hasattr(test, "scene"))


globals().update(
    {
        name: getattr(module, name)
        for module in TOLD
        for name in scenes(module)
        if name not in OF_ASTERISK_ALONE
    }
)


def test_each_scene_that_is_left_out_exists() -> None:
    assert set(OF_ASTERISK_ALONE) <= {name for module in TOLD for name in scenes(module)}
