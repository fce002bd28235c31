"""The site's payment software at the portal: tokens that are good for announcing payments and for nothing else (P7).

    state_dir/payment/NAME     SHA-256 of the token, then the Unix second it ends at, 0 for never; 0600

The token itself is kept nowhere. `pbx-bridge payment token` writes here while `serve` runs in another process; each request
looks anew, so a revoked token is refused at once. Whoever holds one may pause recordings, and take back what was announced
over this interface: never the dialplan's word, nor a window's. It learns nothing about recordings.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import parse_name

log = structlog.get_logger()

MAX_TOKENS: Final = 32
"""Programs of one site that take payments; each request reads them all."""
_FILE: Final = re.compile(r"([0-9a-f]{64}) (\d{1,12})\n")

Announce = Callable[[str, bool], bool]
"""(trainee, a payment begins) -> whether this trainee has a call."""


class PaymentTokens:
    """The tokens there are. Raises: OperatorError."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now

    def make(self, name: str, *, lasts_s: int = 0) -> str:
        """A new token for the program called `name`, 64 hexadecimal digits; ends after `lasts_s` unless 0."""
        try:
            path = self._folder / parse_name(name)
        except ValueError as error:
            raise OperatorError(str(error), where=f"token {name[:64]!r}", do="Choose a short name") from None
        if path.exists():
            raise OperatorError(
                "there is one of this name", where=f"token {name}", do=f"pbx-bridge payment revoke {name}"
            )
        if len(self.names()) >= MAX_TOKENS:
            raise OperatorError(f"there are {MAX_TOKENS} tokens", do="Revoke those that nobody uses")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # `serve` gives it to the bridge's user
        token = secrets.token_bytes(32)
        ends = int(self._now()) + lasts_s if lasts_s else 0
        write_whole(path, f"{hashlib.sha256(token).hexdigest()} {ends}\n".encode())
        _give_to(path, self._folder)
        return token.hex()

    def names(self) -> list[str]:
        """Of the tokens that still hold."""
        return [name for name, _ in self._valid()]

    def revoke(self, name: str) -> None:
        """At once."""
        if name not in {path.name for path in self._files()}:
            raise OperatorError(
                "there is no such token", where=f"token {name[:64]!r}", do="See: pbx-bridge payment tokens"
            )
        (self._folder / name).unlink(missing_ok=True)

    def holder(self, token: bytes) -> str | None:
        """Which program this token was made for; None for any other 32 bytes."""
        digest = hashlib.sha256(token).hexdigest()
        found = [name for name, known in self._valid() if secrets.compare_digest(known, digest)]
        return found[0] if found else None

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
        except OSError:
            return []

    def _valid(self) -> list[tuple[str, str]]:
        found = []
        for path in self._files():
            try:
                read = _FILE.fullmatch(path.read_text())
            except (OSError, UnicodeDecodeError):
                continue
            if read and (int(read[2]) == 0 or self._now() < int(read[2])):
                found.append((path.name, read[1]))
        return found


class Payments:
    """What the portal does with an announcement. Raises: words.Refused."""

    def __init__(self, tokens: PaymentTokens, announce: Announce) -> None:
        self._tokens, self._announce = tokens, announce

    def asked(self, token: bytes, asked: words.PaymentAsked) -> words.PaymentNoted:
        """P7: announced or taken back for the trainee's present call."""
        holder = self._tokens.holder(token)
        if holder is None:
            raise words.Refused("payment-token", "this token announces no payments: pbx-bridge payment token")
        begins = asked.moment is words.Moment.BEGIN
        known = self._announce(asked.trainee, begins)
        log.info("payment", announced_by=holder, moment=asked.moment.value, call=known)
        if not known:
            raise words.Refused("no-call", "nobody of this name has a call now")
        return words.PaymentNoted()


def _give_to(path: Path, like: Path) -> None:
    """What root writes for the bridge belongs to whoever owns `like`."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


NO_PAYMENTS: Final = Payments(PaymentTokens(Path("/nonexistent")), lambda _trainee, _begins: False)
"""A portal at which nobody announces payments."""
