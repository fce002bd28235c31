"""What a person may type after `pbx-bridge`: the arguments of join, list, fetch, play and review, with their help.

Other subjects (approving.py, …) add their own commands by `Add`. No argument names the person who asks: they are known by
the key this machine joined with.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final, TypeAlias

from pbx_bridge.trainer.profile import PASSPHRASE_FILE, PROFILE

SESSION_ENV: Final = "PBX_BRIDGE_SESSION"
Run: TypeAlias = Callable[[argparse.Namespace], int]
"""One command, on its parsed arguments, to its exit code."""
Add: TypeAlias = Callable[[str, Run, str, str], argparse.ArgumentParser]
"""Adds a command: its name, what it runs, what it does, an example."""


def parser(
    join_: Run, list_: Run, fetch_: Run, play_: Run, review_: Run, *subjects: Callable[[Add], None]
) -> argparse.ArgumentParser:
    """The parser; `run` of what it parses is the command's function."""
    whole = argparse.ArgumentParser(
        prog="pbx-bridge", description="For trainers, trainees, approvers and auditors, on their own machine."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, text: str, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "--profile",
            metavar="DIR",
            help=f"where this machine keeps what it joined (or ${PROFILE})",
        )
        added.set_defaults(run=run)
        return added

    join = command(
        "join",
        join_,
        "Make a key on this machine and join a bridge with a one-time code.",
        "pbx-bridge join https://bridge.example:7444 --code ABCDE-FGHIJ-…",
    )
    join.add_argument("url", metavar="URL", help="https://host:port of the portal")
    join.add_argument("--code", required=True, help="the code from `pbx-bridge person invite`")
    kept = join.add_mutually_exclusive_group()
    kept.add_argument(
        "--passphrase",
        action="store_true",
        help="keep the key in a file under a passphrase, not in the keyring: it is asked, or read from the file "
        f"${PASSPHRASE_FILE} names",
    )
    kept.add_argument(
        "--identity-file",
        metavar="PATH",
        help="keep the key in this plain file (0600), as age-keygen does, for `age -d -i PATH`",
    )
    join.add_argument("--replace", action="store_true", help="forget the bridge this profile joined before")

    listing = command("list", list_, "List the recordings you may know of.", "pbx-bridge list --json")
    listing.add_argument("--json", action="store_true", help="for scripts")

    fetching = command(
        "fetch",
        fetch_,
        "Fetch a recording into a file only your key opens; run again to continue.",
        'pbx-bridge fetch kq3v… --to call.age --session "2026-11-27, first review"',
    )
    fetching.add_argument("id", metavar="ID", help="as `pbx-bridge list` shows it")
    fetching.add_argument("--to", metavar="FILE", required=True, help="the file to make")

    playing = command(
        "play",
        play_,
        "Play a recording, or a fetched file, in the browser; nothing is written to disk.",
        'pbx-bridge play kq3v… --session "2026-11-27, first review"',
    )
    playing.add_argument("what", metavar="ID|FILE", help="a recording's id, or a file from `fetch`")
    playing.add_argument("--no-browser", action="store_true", help="print the address only")
    reviewing = command(
        "review",
        review_,
        "Say that a recording was discussed in a training session with the trainee; it is destroyed 7 days later.",
        'pbx-bridge review kq3v… --session "2026-11-27, first review"',
    )
    reviewing.add_argument("id", metavar="ID", help="as `pbx-bridge list` shows it")
    for one in (fetching, playing, reviewing):
        one.add_argument(
            "--session",
            "--purpose",
            metavar="TEXT",
            help=f"the training session this serves: it stands in the audit log, also for the trainee (or ${SESSION_ENV})",
        )
    for subject in subjects:
        subject(command)
    return whole
