"""Shows the person at the desktop a short message, by the desktop's own notifications where it has them."""

from __future__ import annotations

import logging
import shutil
import subprocess
from typing import Final

from workstation_client.speech import say

log = logging.getLogger(__name__)

_SHOW_MS: Final = 20_000


def show(sentence: str) -> None:
    """Shows `sentence` (English; it is translated here). Without notify-send it is only logged."""
    log.warning("%s", sentence)
    program = shutil.which("notify-send")
    if program is None:
        return
    words = [
        program,
        f"--expire-time={_SHOW_MS}",
        "--app-name=pbx-bridge",
        say("Training recordings"),
        say(sentence),
    ]
    try:
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        log.info("no notification: %s", error)
