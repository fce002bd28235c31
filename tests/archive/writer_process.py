"""A recorder in a process of its own, to be killed: it writes a known stream, and says what is checkpointed.

    python -m tests.archive.writer_process FOLDER RECORDING age1... SEED

Each line on its standard output is the size that was safe when it was written. It never finishes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pbx_bridge.age import X25519Recipient
from pbx_bridge.archive.sealed import SealedFile
from tests.age.samples import plaintext

LARGEST_WRITE = 40_000
CHECKPOINT_EVERY = 3


def main(folder: str, recording: str, recipient: str, seed: str) -> None:
    """Write until killed."""
    dice = random.Random(seed)
    with SealedFile(Path(folder), recording, X25519Recipient.parse(recipient)) as file:
        while True:
            for _ in range(CHECKPOINT_EVERY):
                file.write(plaintext(dice.randrange(LARGEST_WRITE), file.tell()))
            file.checkpoint()
            print(file.tell(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
