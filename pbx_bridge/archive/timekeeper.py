"""The keeper's clocks and what it keeps of them; what they mean is decided in clock.py.

Two files in the keeper's folder: `clock.json`, synced when something changed and each minute, and `clock.now`, the latest
believed time, written without a sync at each look: a killed keeper loses nothing, a power cut at most a minute.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from pbx_bridge.archive import clock
from pbx_bridge.archive.clock import Known, Reading
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Malformed, canonical, read_fields, read_object, write_fields

log = structlog.get_logger()

KEEP_EVERY_S: Final = 60
"""How far believed time may run ahead of what a power cut leaves of it."""
DIGITS: Final = 20
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def machine_uptime_s() -> int:
    """Since the machine started, asleep or not; nobody can set it (clock_gettime(2), CLOCK_BOOTTIME)."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def machine_boot() -> str:
    """Names this start of the machine (random(4), boot_id); "" where the kernel does not say."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class _Timex(ctypes.Structure):
    """The beginning of the kernel's `struct timex`, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


_STA_UNSYNC: Final = 0x40
_TIME_ERROR: Final = 5


def machine_synchronised() -> bool:
    """Whether the kernel says that a source of time keeps the wall clock right; it only asks (adjtimex(2), modes 0).

    Setting the clock by hand takes that back, so does a start of the machine, so do some hours without the source. Where
    the kernel does not answer, no.
    """
    asked = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    return 0 <= state < _TIME_ERROR and not asked.status & _STA_UNSYNC


class Timekeeper:
    """Retention's time. Each method reads the clocks anew."""

    def __init__(
        self,
        path: Path,
        wall: Callable[[], int],
        uptime_s: Callable[[], int] = machine_uptime_s,
        boot: Callable[[], str] = machine_boot,
        synchronised: Callable[[], bool] = machine_synchronised,
    ) -> None:
        """Raises: OperatorError when what was kept cannot be read."""
        self._last_path = path.with_suffix(".now")
        self._path, self._wall, self._uptime_s, self._boot = path, wall, uptime_s, boot
        self._synchronised = synchronised
        self.is_first = not path.exists()
        if self.is_first:
            self._known = clock.first(self._reading())
        else:
            try:
                kept = read_fields(Known, read_object(path.read_bytes()))
            except Malformed as error:
                raise OperatorError(
                    str(error), where=str(path), do="Restore it from the keeper's backup"
                ) from None
            self._known = clock.started(kept, self._reading(), self._last())
        self._last_file = os.open(self._last_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._kept: Known | None = None
        self._keep()

    def now(self) -> int | None:
        """P20: Unix seconds; None while the clock is in doubt."""
        self._take(clock.looked(self._known, self._reading()))
        return clock.now(self._known)

    @property
    def known(self) -> Known:
        """After a look at the clocks."""
        self.now()
        return self._known

    def witness(self, seen_at: int) -> None:
        """The bridge remembers having run at `seen_at`."""
        self._take(clock.witnessed(self._known, seen_at))

    def confirm(self) -> bool:
        """A person found the clock right; False where that is not for a person to say. Raises: OSError."""
        confirmed = clock.confirmed(self._known, self._reading())
        if confirmed is not None:
            self._known = confirmed
            self._write()
        return confirmed is not None

    def doubt_backup(self) -> None:
        """The key store remembers this keeper and the keeper does not remember it."""
        self._take(replace(self._known, doubt=clock.Doubt.RESTORED))

    def stamped(self, number: int) -> None:
        """The key store's stamp has this number now. Raises: OSError."""
        self._known = replace(self._known, stamp=number)
        self._write()

    def _reading(self) -> Reading:
        return Reading(self._wall(), self._uptime_s(), self._boot(), self._synchronised())

    def _take(self, known: Known) -> None:
        if known.doubt is None and self._known.doubt is not None:
            log.info("a source of time vouches for the clock: recording, opening and purging go on")
        elif known.doubt is not self._known.doubt:
            log.critical("the clock is in doubt: nothing is recorded, opened or purged", why=known.doubt)
        self._known = known
        self._keep()

    def close(self) -> None:
        os.close(self._last_file)

    def _last(self) -> int:
        try:
            return int(self._last_path.read_bytes()[:DIGITS])
        except (FileNotFoundError, ValueError):
            return 0

    def _keep(self) -> None:
        """Writes what changed enough; a full disk is no reason to stop the clock."""
        kept, known = self._kept, self._known
        with suppress(OSError):
            os.pwrite(self._last_file, f"{known.high:0{DIGITS}}".encode(), 0)
        if kept is not None and kept.doubt is known.doubt and known.high < kept.high + KEEP_EVERY_S:
            return
        try:
            self._write()
        except OSError as error:
            log.error("the time could not be kept", why=error.strerror)

    def _write(self) -> None:
        write_whole(self._path, canonical(write_fields(self._known)))
        self._kept = self._known
