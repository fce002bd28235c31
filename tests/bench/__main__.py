"""`./run bench [NAME ...]`: every table, or the named ones; ours beside the peer, same work, same run.

esl       FreeSWITCH's events: our codec beside its own C client, python-ESL
decisions whether a ringing call is recorded: 1,000 plans, a busy week
sealing   age files: ours beside Debian's age and pyrage
capture   filming a window: ours beside ffmpeg x11grab with the same encoder; sizes beside x264; memory; start
media     from hang-up to the sealed file for 10- and 60-minute recordings; memory over the call
release   releases and the keeper's start with 100,000 recordings (3 minutes)
audit     verifying a year of audit log (1,000,000 records), and writing one record (3 minutes)
pages     200 people at the portal's list pages at once, 100,000 recordings (4 minutes)
player    a 60-minute recording in Chromium and Firefox, 20 ms away: first frame, seeks, bytes (4 minutes)
calls     whole calls on a real Asterisk: delays and picture/voice offset (12 minutes); `python -m tests.bench.calls
          --pbx freeswitch` does the same on the FreeSWITCH that tests/live/freeswitch plays on
"""

from __future__ import annotations

import importlib
import sys
import time

TABLES = ("esl", "decisions", "sealing", "capture", "media", "release", "audit", "pages", "player", "calls")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        print(f"bench: {unknown[0]!r} is none of {', '.join(TABLES)}", file=sys.stderr)
        return 2
    for name in names or TABLES:
        print(f"\n== {name}, {time.strftime('%Y-%m-%d %H:%M %z')}", flush=True)
        importlib.import_module(f"tests.bench.{name}").main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
