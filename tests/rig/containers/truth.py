"""What really happened in a call, kept beside its sealed file, so that somebody else can prove the file later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.rig.proof import Said, Truth


def keep(truth: Truth, file: Path) -> None:
    arrays: dict[str, Any] = {
        "zero_ns": np.int64(truth.zero_ns),
        "length_s": np.float64(truth.length_s),
        "pauses": np.array(truth.pauses, np.float64).reshape(-1, 2),
    }
    for who, phrases in (("agent", truth.agent), ("customer", truth.customer)):
        arrays[f"{who}-at_s"] = np.array([phrase.at_s for phrase in phrases])
        arrays |= {f"{who}-{number}": phrase.samples for number, phrase in enumerate(phrases)}
    np.savez_compressed(file, **arrays)


def kept(file: Path) -> Truth:
    with np.load(file, allow_pickle=False) as found:

        def said(who: str) -> tuple[Said, ...]:
            return tuple(
                Said(float(at_s), found[f"{who}-{number}"].astype(np.float32))
                for number, at_s in enumerate(found[f"{who}-at_s"])
            )

        return Truth(
            zero_ns=int(found["zero_ns"]),
            length_s=float(found["length_s"]),
            pauses=tuple((float(start), float(end)) for start, end in found["pauses"]),
            agent=said("agent"),
            customer=said("customer"),
        )
