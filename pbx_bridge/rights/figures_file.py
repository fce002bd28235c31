"""Keeps the monthly counts of ledger lines that go after thirty days (P24): one small file, without a person in it.

It knows counts and the last day that is in them; a day is counted once, whatever stops in between. Of a month that is wholly
in it no count stays that rests on too few persons.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.rights.figures import ALL, Answer, Month, count, telling, together


class FiguresFile:
    """`months.json` in `folder`. Raises: OperatorError when it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "months.json"

    def fold(self, answers: Iterable[Answer], oldest: date) -> None:
        """Adds the answers of days before `oldest` that are in no count yet; call it before the ledger forgets them."""
        through, months = self._read()
        running = oldest.isoformat()[:7]
        counted = {
            name: telling(month) if name < running else month
            for name, month in together(months, count(answers, after=through, before=oldest)).items()
        }
        if counted == months:
            return
        last = oldest - timedelta(days=1)
        kept = {
            name: {"persons": dict(month.persons), "calls": dict(month.calls), "seconds": month.seconds}
            for name, month in counted.items()
        }
        text = json.dumps({"through": last.isoformat(), "months": kept}, indent=1, sort_keys=True)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, text.encode())
        except OSError as error:
            raise OperatorError(
                f"the monthly figures cannot be written: {error.strerror}",
                where=str(self._path),
                do="Free space there; the days that go meanwhile are missing in the figures",
            ) from error

    def months(self, answers: Iterable[Answer]) -> dict[str, Month]:
        """Every month known: what was counted before, and the ledger's lines that are in no count yet."""
        through, months = self._read()
        return together(months, count(answers, after=through))

    def _read(self) -> tuple[date, dict[str, Month]]:
        try:
            kept = json.loads(self._path.read_text())
            months = {
                name: Month(_persons(month["persons"]), dict(month["calls"]), float(month["seconds"]))
                for name, month in kept["months"].items()
            }
            return date.fromisoformat(kept["through"]), months
        except FileNotFoundError:
            return date.min, {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OperatorError(
                "the monthly figures cannot be read", where=str(self._path), do="Restore it, or remove it"
            ) from error


def _persons(kept: Any) -> dict[str, int]:
    """Earlier versions kept one number: how many had a call at all."""
    return {ALL: int(kept)} if isinstance(kept, int) else {what: int(who) for what, who in kept.items()}
