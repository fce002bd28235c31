"""How long it takes to verify a year's audit log, and to write one record (`./run bench audit`).

    python -m tests.bench.audit [--records N]

The log is made by the same encoding with OpenSSL's Ed25519 in the place of ours (the signatures are the same bytes), and
without a sync for each record; what is measured is the product's own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pbx_bridge.access.audit import Access, open_log
from pbx_bridge.access.audit_check import check
from pbx_bridge.access.audit_folder import month
from pbx_bridge.access.audit_read import AuditIndex
from pbx_bridge.access.checkpoint import EMPTY, Head, note, text
from pbx_bridge.ids import new_recording_id
from pbx_bridge.wire_json import canonical
from pbx_bridge.wire_proof import public_key
from tests.bench.figures import Figure, table

RECORDS: Final = 1_000_000
APPENDS: Final = 500
BEGUN: Final = 1_764_547_200
"""1 December 2025: a year of twelve segments."""
YEAR_S: Final = 365 * 86_400
SESSION: Final = "2026-03-02, second review of the order entry with alice"


def make(keeper: Path, records: int) -> Path:
    """A log of so many records, spread over a year; its folder."""
    open_log(keeper).close()
    folder, seed = keeper / "audit", (keeper / "audit.key").read_bytes()
    signer, public = Ed25519PrivateKey.from_private_bytes(seed), public_key(seed)
    head, signed, recording = EMPTY, "", ""
    segment, file = "", None
    for number in range(1, records + 1):
        at = BEGUN + YEAR_S * (number - 1) // records
        if number % 5 == 1:
            recording = new_recording_id()
        access = Access("bruno", "open", recording, "granted", session=SESSION)
        record = {
            "act": access.act, "at": at, "n": number, "outcome": access.outcome, "person": access.person,
            "prev": head.link, "reason": access.reason, "recording": access.recording, "session": access.session,
            "subject": access.subject, "who": access.who,
        }  # fmt: skip
        digest = hashlib.sha256(canonical(record)).hexdigest()
        signed = b64encode(signer.sign(text(public, number, digest).encode())).decode()
        line = canonical({**record, "sig": signed})
        head = Head(number, digest, hashlib.sha256(line).hexdigest())
        if month(at) != segment:
            if file is not None:
                file.close()
            segment = month(at)
            file = open(folder / f"{segment}.jsonl", "wb", buffering=1 << 20)  # noqa: SIM115
        assert file is not None
        file.write(line + b"\n")
    if file is not None:
        file.close()
    (folder / "head").write_bytes(note(public, head.number, head.digest, signed).encode())
    return folder


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The audit log: verifying a year of it, and one record.")
    parser.add_argument("--records", type=int, default=RECORDS, help="in the year (default %(default)s)")
    records = parser.parse_args(arguments).records
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-bench-") as where:
        started = time.perf_counter()
        folder = make(Path(where), records)
        size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
        print(
            f"{records} records, {size / 1e6:.0f} MB, made in {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        walked = _timed(lambda: check(folder))
        opened = _timed(lambda: open_log(Path(where)).close())
        index = AuditIndex(folder)
        first = _timed(lambda: index.concerning(set(), set(), 0, 40))
        again = _timed(lambda: index.concerning(set(), set(), 0, 40))
        log = open_log(Path(where))
        appends = [
            1000
            * _timed(
                lambda: log.append(
                    Access("bruno", "open", "a" * 26, "granted", session=SESSION), int(time.time())
                )
            )
            for _ in range(APPENDS)
        ]
        log.close()
        assert check(folder).head.number == records + APPENDS
    figures = (
        Figure(f"verify {records} records", "s", [walked], "< 60 s"),
        Figure("open at the keeper's start", "s", [opened], ""),
        Figure("a trainee's first question after it (index)", "s", [first], ""),
        Figure("a later question", "s", [again], ""),
        Figure(f"write one record, synced ({os.cpu_count()} cores)", "ms", appends, "release: 20 ms p99"),
    )
    print(table("audit log", figures), flush=True)


def _timed(work: object) -> float:
    assert callable(work)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
