"""How long a release takes, and a keeper's start, with 100,000 recordings (`./run bench release`).

    python -m tests.bench.release [--recordings N] [--opens N]

A real keeper in its own process, asked over its socket: rule, audit record synced to the disk, key rewrapped. What is opened
is signed and has a key of its own; the others share one of each, which nobody checks or reads. The keys' folder lies in
memory where there is /dev/shm: 200,000 small files are written in seconds there; what a release syncs, the audit log, lies
on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pbx_bridge.access.books import closed, kept_key
from pbx_bridge.age import X25519Identity, X25519Recipient, make_header, new_file_key, seal_bytes
from pbx_bridge.archive.book import Did, Note
from pbx_bridge.archive.book_chain import Heads, chained
from pbx_bridge.archive.keystore import Entry
from pbx_bridge.archive.manifest import RecorderKey, encode
from pbx_bridge.archive.rules import Keeping, not_after
from pbx_bridge.ids import RecordingId, TraineeId, new_recording_id
from pbx_bridge.wire_json import canonical, write_fields
from pbx_bridge.wire_portal import Purpose, Role, SignedManifest
from tests.archive.house import House, manifest
from tests.bench.figures import Figure, table

RECORDINGS: Final = 100_000
OPENS: Final = 2_000
TRAINEES: Final = 200
ALICE: Final = "alice"
START_WITHIN_S: Final = 300.0
MEMORY: Final = Path("/dev/shm")


def fill(
    keeper: Path, recorder: RecorderKey, recipient: X25519Recipient, total: int, hers: int
) -> list[RecordingId]:
    """Writes `total` finished recordings as the keeper itself would have; ids of the `hers` that are alice's."""
    names: list[RecordingId] = []
    shared = seal_bytes(str(X25519Identity.generate()).encode(), [recipient])
    header = make_header(new_file_key(), [X25519Identity.generate().recipient()]).hex()
    now = int(time.time())
    template = manifest().sealed("ab" * 32, 1_000_000, 300_000)
    close_key = kept_key(keeper / "books.key")
    assert close_key is not None
    texts = []
    for number in range(total):
        mine = number < hers
        trainee = ALICE if mine else f"t{number % TRAINEES:03}"
        start = now - number % 86_400
        described = replace(
            template,
            recording=new_recording_id(),
            trainee=TraineeId(trainee),
            start=start,
            not_after=not_after(start, Keeping()),
        )
        key, its_header = shared, header
        if mine:
            identity = X25519Identity.generate()
            key = seal_bytes(str(identity).encode(), [recipient])
            its_header = make_header(new_file_key(), [identity.recipient()]).hex()
            names.append(described.recording)
        signed = SignedManifest(encode(described), recorder.public, bytes(64))
        if mine:
            signed = recorder.sign(described)
        entry = Entry(signed, its_header)
        path = keeper / "keystore" / f"{described.recording}.json"
        path.write_bytes(closed(path.name, canonical(write_fields(entry)), close_key))
        path.with_suffix(".key").write_bytes(key)
        note = Note(described.start, Did.RECORDED, described.recording)
        texts.append(canonical(write_fields(note)))
    lines = list(chained(texts, close_key))
    (keeper / "book.jsonl").write_bytes(b"".join(line for line, _ in lines))
    Heads(keeper / "book.head", close_key).begin((len(lines), lines[-1][1]))
    return names


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1_000


def resident_mib(pid: int) -> float:
    """Of the process, as the kernel counts it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1_024


def worked_ms(pid: int) -> float:
    """Processor time of the process so far: what a busy machine does not change (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


async def measure(folder: Path, keys: Path, recordings: int, opens: int) -> list[Figure]:
    home = House(folder)
    (home.folder / "keeper").mkdir(mode=0o700)
    (home.folder / "keeper" / "keystore").symlink_to(keys)
    alice = X25519Identity.generate()
    try:
        await home.start_keeper()
        code = (await home.link.invite(ALICE, Role.TRAINEE)).code
        await home._prove_with(alice, Purpose.JOIN, code, None)
        await home.confirm(ALICE)
        home.end_keeper()
        await home.link.close()
        filled = time.perf_counter()
        names = fill(home.folder / "keeper", home.recorder, home.keeper_recipient, recordings, opens)
        print(f"{recordings} recordings written in {time.perf_counter() - filled:.0f} s", flush=True)
        started_ms = await timed(lambda: home.start_keeper(START_WITHIN_S))
        assert home.keeper is not None
        resident = resident_mib(home.keeper.pid)
        token = (await home._prove_with(alice, Purpose.SESSION, None, None)).token
        before_ms = worked_ms(home.keeper.pid)
        release_ms = [
            await timed(lambda name=name: home.link.open(token, name, "bench"))  # type: ignore[misc]
            for name in names
        ]
        work_ms = (worked_ms(home.keeper.pid) - before_ms) / len(names)
        again_ms = [
            await timed(lambda name=name: home.link.open(token, name, "bench"))  # type: ignore[misc]
            for name in names[:500]
        ]
        list_ms = [await timed(lambda: home.link.recordings(token)) for _ in range(5)]
        pulse_ms = [await timed(home.link.pulse) for _ in range(200)]
        backlog_ms = [await timed(home.link.backlog) for _ in range(200)]
        purge_ms = [await timed(home.link.purge) for _ in range(5)]
        count_ms = [await timed(home.link.reconcile) for _ in range(3)]
    finally:
        await home.link.close()
        home.end_keeper()
    return [
        Figure("release, first time (rule, audit, book, rewrap)", "ms", release_ms, "p99 <= 20"),
        Figure("of it the keeper's own processor time", "ms", [work_ms], ""),
        Figure("release, again", "ms", again_ms, "p99 <= 20"),
        Figure(f"list of {opens}", "ms", list_ms, ""),
        Figure("is the clock believed (each second)", "ms", pulse_ms, ""),
        Figure("backlog", "ms", backlog_ms, ""),
        Figure("purge, nothing due (each hour)", "ms", purge_ms, ""),
        Figure("count (each day)", "ms", count_ms, ""),
        Figure("keeper's start", "s", [started_ms / 1_000], "<= 180"),
        Figure("keeper's memory", "MiB", [resident], ""),
    ]


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Releases and a keeper's start with many recordings.")
    parser.add_argument("--recordings", type=int, default=RECORDINGS, help="how many (default %(default)s)")
    parser.add_argument("--opens", type=int, default=OPENS, help="how many are opened (default %(default)s)")
    chosen = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="pbx-bridge-bench-") as folder,
        tempfile.TemporaryDirectory(
            prefix="pbx-bridge-bench-", dir=MEMORY if MEMORY.is_dir() else None
        ) as keys,
    ):
        figures = asyncio.run(measure(Path(folder), Path(keys), chosen.recordings, chosen.opens))
        print(table(f"{chosen.recordings} recordings, {os.cpu_count()} cores", figures))
        release_ms = sorted(figures[0].values)
        print(f"\nrelease p99: {release_ms[int(len(release_ms) * 0.99)]:.1f} ms")


if __name__ == "__main__":
    main()
