"""P24: the ledger, one line for each call of an enrolled person: recorded, or why not, without content.

JSON lines, one file a day, synced as they are written; the last line of a call counts. A line that announces a
recording (`began`) lets the next start say what became of one the bridge did not survive. It keeps no number, no name
of a caller, no title; lines of persons older than 30 days are dropped.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, TraineeId

KEPT_DAYS = 30
"""P24: per-person entries live 30 days."""
LINE_LIMIT = 4096
BEGAN = "began"


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger line. `call` is a keyed hash of the call's leg: the same after a restart, joined with nothing."""

    call: str
    at: str
    """Local wall time with zone, ISO 8601, at the moment of writing."""
    trainee: str
    outcome: str
    """An Outcome's value, or "began"."""
    reason: str
    recording: str
    seconds: float
    plan: str


TELLS_NO_DRAW: Final = frozenset(
    reason.value
    for reason in (
        Reason.NO_PLAN,
        Reason.PLAN_ENDED,
        Reason.NOT_APPROVED,
        Reason.WEEKLY_CAP,
        Reason.CAPACITY,
        Reason.BACKLOG,
        Reason.LINK_LOST,
        Reason.FOREIGN_RECORDER,
        Reason.UNREADABLE,
        Reason.DISK,
        Reason.CLOCK,
        Reason.AUDIT,
        Reason.SHUTDOWN,
        Reason.BRIDGE_FAULT,
    )
)
"""P24: what keeps any call from being recorded, whether it was drawn or not: it comes from no person and tells no draw.
Whose station was locked, or who heard no notice, is asked of drawn calls alone."""

OF_A_RECORDING: Final = TELLS_NO_DRAW | frozenset(
    reason.value
    for reason in (
        Reason.HUNG_UP,
        Reason.PARTY_LEFT,
        Reason.TRANSFERRED,
        Reason.PARKED,
        Reason.THIRD_PARTY,
        Reason.CEILING,
        Reason.LEASE_LOST,
        Reason.KEY_CLONED,
        Reason.CAPTURE_REFUSED,
        Reason.CAPTURE_LATE,
        Reason.CAPTURE_FAILED,
        Reason.TOO_FEW_PICTURES,
        Reason.AUDIO_MISSING,
        Reason.AGENT_UNREACHABLE,
        Reason.PAUSE_TIMEOUT,
        Reason.OVERLOAD,
    )
)
"""P24: how a recording that exists, or was lost to a fault, came to its end: as calls end, or by a technical fault. A reason
added later stays hidden until it is listed in one of the two."""


def shown(line: Line) -> Line:
    """P24: the line as anybody but its trainee sees it: "not recorded" but for technical reasons; what comes from a person,
    and what only a drawn call can come to, is not told."""
    if line.outcome == Outcome.NOT_RECORDED.value:
        reason = line.reason if line.reason in TELLS_NO_DRAW else ""
        return replace(line, reason=reason, recording="", seconds=0.0, plan="")
    if line.reason in OF_A_RECORDING:
        return line
    if line.outcome == Outcome.RECORDED.value:
        return replace(line, reason="")
    return replace(line, outcome=Outcome.NOT_RECORDED.value, reason="", recording="", seconds=0.0, plan="")


class Ledger:
    """Appends and reads. Raises: OperatorError when it cannot be written (then nothing may be recorded)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _file(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.jsonl"

    def stamp(self) -> int:
        """Changes whenever a day's file came or went, by whomever."""
        return os.stat(self._folder).st_mtime_ns

    def began(self, call: str, trainee: TraineeId, recording: RecordingId, plan: str) -> None:
        self._append(Line(call, _now(), trainee, BEGAN, "", recording, 0.0, plan))

    def write(
        self,
        call: str,
        trainee: TraineeId,
        outcome: Outcome,
        reason: Reason,
        *,
        recording: RecordingId | None = None,
        seconds: float = 0.0,
        plan: str = "",
    ) -> Line:
        """The call's answer, durable when this returns."""
        line = Line(
            call, _now(), trainee, outcome.value, reason.value, recording or "", round(seconds, 3), plan
        )
        self._append(line)
        return line

    def _append(self, line: Line) -> None:
        path = self._file(datetime.now().astimezone().date())
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    # a line torn by a power cut must not take the next one with it
                    os.write(descriptor, b"\n")
                text = json.dumps(asdict(line), ensure_ascii=False, separators=(",", ":")) + "\n"
                if os.write(descriptor, text.encode()) < len(text.encode()):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OperatorError(
                f"the ledger cannot be written: {error.strerror}",
                where=str(path),
                do="Free space; nothing is recorded until then",
            ) from error

    def lines(self, *, since: date | None = None) -> Iterator[Line]:
        """The last line of each call, oldest first. A torn last line (power cut) is passed over."""
        last: dict[str, Line] = {}
        names = sorted(
            name for name in os.listdir(self._folder) if name.endswith(".jsonl")
        )  # glob hides a refusal
        for path in (self._folder / name for name in names):
            if since is not None and path.stem < since.isoformat():
                continue
            with path.open("rb") as file:
                while raw := file.readline(LINE_LIMIT):
                    try:
                        line = Line(**json.loads(raw))
                    except (ValueError, TypeError):
                        continue
                    last.pop(line.call, None)
                    last[line.call] = line
        yield from last.values()

    def has(self, call: str) -> bool:
        """Whether this call has its answer already, or a recording that will give it one."""
        return any(line.call == call for line in self.lines())

    def unfinished(self) -> list[Line]:
        """Recordings that began and never got their answer: the bridge did not survive them."""
        return [line for line in self.lines() if line.outcome == BEGAN]

    def forget_old(self) -> int:
        """P24: drop files older than 30 days. Returns how many went."""
        oldest = oldest_day().isoformat()
        gone = [path for path in self._folder.glob("*.jsonl") if path.stem < oldest]
        for path in gone:
            path.unlink()
        return len(gone)


def oldest_day() -> date:
    """P24: lines of days before this one go."""
    return datetime.now(UTC).date() - timedelta(days=KEPT_DAYS)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
