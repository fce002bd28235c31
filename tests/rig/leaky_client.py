"""The workstation client with its guard taken out: the window's place is cut out of the screen, whatever covers it.

Only for the demo's positive control. It runs from a folder of root's with the capture tests' `station.py` beside it.
"""

from __future__ import annotations

import sys

import station  # type: ignore[import-not-found]

from workstation_client.cli import main

if __name__ == "__main__":
    station.weaken("region")
    sys.exit(main(["run"]))
