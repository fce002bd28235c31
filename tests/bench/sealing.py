"""How fast sealing is: ours beside Debian's `age` and pyrage, the same work in the same run (`./run bench`).

    python -m tests.bench.sealing [--mebibytes N] [--rounds N]

A ratio above 1 means that ours takes longer. What only ours can do (rewrap, random access, the growing file of a
recording) stands beside what its user would do without it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyrage

from pbx_bridge import age
from pbx_bridge.archive.sealed import SealedFile
from pbx_bridge.ids import new_recording_id

MEBIBYTES = 128
HOUR_BYTES = 500_000_000
"""A busy 60-minute call."""
ROUNDS = 7
SMALL_ROUNDS = 100
PACKET_BYTES = 4_000
"""About what a picture has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of work: seconds of every round, ours and each peer's."""

    work: str
    mebibytes: float | None
    ours: list[float]
    peers: dict[str, list[float]]


def timed(rounds: int, work: Callable[[], object]) -> list[float]:
    """Seconds of each of `rounds`, after one that is not counted."""
    work()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def rows(folder: Path, mebibytes: int, rounds: int) -> Iterator[Row]:
    """Measure everything in `folder`."""
    ours = age.X25519Identity.generate()
    theirs = pyrage.x25519.Identity.from_str(str(ours))
    plain, sealed, out, key = folder / "plain", folder / "sealed", folder / "out", folder / "key"
    key.write_text(f"{ours}\n")
    with plain.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))

    def seal() -> None:
        with (
            plain.open("rb") as source,
            sealed.open("wb") as sink,
            age.Writer(sink, [ours.recipient()]) as writer,
        ):
            while block := source.read(1 << 20):
                writer.write(block)

    def unseal() -> None:
        with sealed.open("rb") as source, out.open("wb") as sink:
            for chunk in age.open_stream(source, [ours]):
                sink.write(chunk)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    seal_by_age = ("age", "-r", str(ours.recipient()), "-o", str(out), str(plain))
    open_by_age = ("age", "-d", "-i", str(key), "-o", str(out), str(sealed))
    yield Row(
        f"seal a file of {mebibytes} MiB", mebibytes, timed(rounds, seal),
        {
            "age": timed(rounds, lambda: run(*seal_by_age)),
            "pyrage": timed(rounds, lambda: pyrage.encrypt_file(str(plain), str(out), [theirs.to_public()])),
        },
    )  # fmt: skip
    yield Row(
        f"open a file of {mebibytes} MiB", mebibytes, timed(rounds, unseal),
        {
            "age": timed(rounds, lambda: run(*open_by_age)),
            "pyrage": timed(rounds, lambda: pyrage.decrypt_file(str(sealed), str(out), [theirs])),
        },
    )  # fmt: skip

    small = os.urandom(1000)
    small_sealed = age.seal_bytes(small, [ours.recipient()])
    yield Row(
        "seal 1000 bytes", None, timed(SMALL_ROUNDS, lambda: age.seal_bytes(small, [ours.recipient()])),
        {"pyrage": timed(SMALL_ROUNDS, lambda: pyrage.encrypt(small, [theirs.to_public()]))},
    )  # fmt: skip
    yield Row(
        "open 1000 bytes", None, timed(SMALL_ROUNDS, lambda: age.open_bytes(small_sealed, [ours])),
        {"pyrage": timed(SMALL_ROUNDS, lambda: pyrage.decrypt(small_sealed, [theirs]))},
    )  # fmt: skip

    header = sealed.read_bytes()[: age.MAX_LINE_BYTES]
    other = age.X25519Identity.generate().recipient()

    def reseal_by_age() -> None:
        run("sh", "-c", f"age -d -i {key} {sealed} | age -r {other} -o {out}")

    yield Row(
        f"release {mebibytes} MiB to somebody (ours: rewrap)", None,
        timed(SMALL_ROUNDS, lambda: age.rewrap_header(header, [ours], [other])),
        {"age": timed(rounds, reseal_by_age)},
    )  # fmt: skip

    def middle() -> None:
        with sealed.open("rb") as source:
            reader = age.Reader(source, [ours])
            reader.seek(reader.size // 2)
            reader.read(1000)

    yield Row(
        f"1000 bytes from the middle of {mebibytes} MiB", None, timed(SMALL_ROUNDS, middle),
        {"age": timed(rounds, lambda: run(*open_by_age))},
    )  # fmt: skip
    yield from recording_rows(folder, rounds)


def recording_rows(folder: Path, rounds: int) -> Iterator[Row]:
    """The growing file of a recording, with its peer: writing the same bytes in clear, equally durable."""
    recipient = age.X25519Identity.generate().recipient()
    packet = os.urandom(PACKET_BYTES)

    sealed = SealedFile(folder, new_recording_id(), recipient)

    def checkpoint() -> None:
        sealed.write(packet)
        sealed.checkpoint()

    clear, again = folder / "clear", folder / "clear.new"

    def replace_clear() -> None:
        with again.open("wb") as file:
            file.write(packet)
            file.flush()
            os.fsync(file.fileno())
        again.rename(clear)

    yield Row(
        "one checkpoint (each second of a call)", None, timed(SMALL_ROUNDS, checkpoint),
        {"clear": timed(SMALL_ROUNDS, replace_clear)},
    )  # fmt: skip
    sealed.discard()

    block = os.urandom(1 << 20)
    finish_s: list[float] = []
    for _ in range(max(3, rounds // 2)):
        hour = SealedFile(folder, recording := new_recording_id(), recipient)
        for number in range(HOUR_BYTES >> 20):
            hour.write(block)
            if number % 8 == 0:
                hour.checkpoint()
        started = time.perf_counter()
        hour.finish()
        finish_s.append(time.perf_counter() - started)
        with suppress(FileNotFoundError):
            (folder / f"{recording}.age").unlink()
    yield Row("hang-up of a 60-minute call (500 MB): finish", None, finish_s, {})


def shown(seconds: list[float]) -> str:
    """Median and p95, in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered) * 1000:9.2f} {p95 * 1000:9.2f}"


def table(measured: Iterator[Row]) -> Iterator[str]:
    """The lines of the table."""
    yield f"{'sealing':<50}{'who':<8}{'median ms':>10}{'p95 ms':>10}{'MB/s':>8}{'ours/theirs':>13}"
    for row in measured:
        middle = statistics.median(row.ours)
        for who, seconds in {"ours": row.ours, **row.peers}.items():
            speed = (
                f"{row.mebibytes * 1.048576 / statistics.median(seconds):8.0f}" if row.mebibytes else " " * 8
            )
            ratio = "" if who == "ours" else f"{middle / statistics.median(seconds):13.3f}"
            yield f"{row.work if who == 'ours' else '':<50}{who:<8}{shown(seconds)} {speed}{ratio}"


def main(arguments: list[str] | None = None) -> None:
    """Print the table, line by line as it is measured."""
    parser = argparse.ArgumentParser(description="Sealing: ours beside age and pyrage.")
    parser.add_argument(
        "--mebibytes", type=int, default=MEBIBYTES, help="size of the large file (default %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="rounds of the large work (default %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-bench-") as folder:
        for line in table(rows(Path(folder), chosen.mebibytes, chosen.rounds)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
