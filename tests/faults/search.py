"""Looks for clear media where it must not be: in every block of a disk's image, used or free, and in who writes where.

It knows bytes, not files: a packet that was written, deleted and forgotten by the file system is found. 16 bytes of a
packet are proof enough, no two packets share them.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

SLICE = 16
DISTINCT = 8
"""Bytes that differ in a slice worth the search: runs of one value lie on every disk."""
SPACED = 200
"""One slice from so many bytes of a packet."""
_BITS = 20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_PIECE = 16 << 20
_MEMORY = frozenset({"tmpfs", "proc", "sysfs", "devtmpfs", "devpts", "ramfs", "mqueue"})


def slices(packet: bytes) -> Iterator[bytes]:
    """Some of its 16-byte pieces, the first behind the codec's header."""
    for at in range(4, len(packet) - SLICE + 1, SPACED):
        piece = packet[at : at + SLICE]
        if len(set(piece)) >= DISTINCT:
            yield piece


def packets(webm: bytes) -> Iterator[bytes]:
    """Every encoded picture and every encoded 20 ms of voice, as they left their encoders."""
    with av.open(io.BytesIO(webm), "r") as film:
        for packet in film.demux():
            if packet.size:
                yield bytes(packet)


def found_in(image: Path, wanted: Iterable[bytes]) -> set[bytes]:
    """Those of the 16-byte `wanted` that lie anywhere in `image`, at any byte, in whatever was ever written to it."""
    sought = set(wanted)
    heads = np.unique(np.array([int.from_bytes(piece[:8], "little") for piece in sought], np.uint64))
    maybe = np.zeros(1 << _BITS, bool)
    maybe[_hash(heads)] = True
    found = set[bytes]()
    for data in _written(image):
        for shift in range(8):
            words = np.frombuffer(data, "<u8", (len(data) - shift) // 8, shift)
            hits = np.flatnonzero(maybe[_hash(words)])
            for hit in hits[np.isin(words[hits], heads)]:
                start = shift + 8 * int(hit)
                found |= {data[start : start + SLICE]} & sought
    return found


def _hash(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        return (words * _MULTIPLIER) >> np.uint64(64 - _BITS)


def _written(image: Path) -> Iterator[bytes]:
    """The image without its holes, in pieces that overlap by a slice."""
    with image.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            for start in range(begin, end, _PIECE):
                yield os.pread(file.fileno(), min(_PIECE + SLICE, end - start), start)
            at = end


def swap_areas() -> list[Path]:
    """Where this machine puts what it has no memory for."""
    lines = Path("/proc/swaps").read_text().splitlines()[1:]
    return [Path(line.split()[0]) for line in lines]


def written_elsewhere(pids: Iterable[int], folder: Path) -> set[str]:
    """Files that these processes hold open for writing, which lie neither in memory nor on `folder`'s disk."""
    disk, memory = folder.stat().st_dev, _memory_devices()
    found = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                status, target = entry.stat(), os.readlink(entry)
                flags = int(
                    (entry.parents[1] / "fdinfo" / entry.name).read_text().split("flags:")[1].split()[0], 8
                )
            except FileNotFoundError:
                continue
            written = flags & os.O_ACCMODE != os.O_RDONLY
            if written and stat.S_ISREG(status.st_mode) and status.st_dev not in {disk, *memory}:
                found.add(target)
    return found


def _memory_devices() -> set[int]:
    """Device numbers of what is no disk; anonymous memory (memfd) is on a mount nobody sees."""
    devices = {os.stat("/dev/shm").st_dev}
    with os.fdopen(os.memfd_create("example")) as example:
        devices.add(os.fstat(example.fileno()).st_dev)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in _MEMORY:
            major, minor = before.split()[2].split(":")
            devices.add(os.makedev(int(major), int(minor)))
    return devices


def descendants(pid: int) -> set[int]:
    """The process and all it started, as far as they live."""
    found, waiting = set[int](), [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += [int(child) for child in children.read_text().split()]
    return found
