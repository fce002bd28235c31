"""`pbx-bridge`: one command for the server's administrator and for a trainer's own machine.

TRAINER_COMMANDS work with the base install, and so does the help that lists them; everything else needs the server's
packages and says so when they are missing. Exit codes: 0 done, 1 done but something is wrong, 2 bad input or a mistake in
the setup.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pbx_bridge.errors import OperatorError

TRAINER_COMMANDS = frozenset(
    {
        "join",
        "list",
        "fetch",
        "play",
        "review",
        "proposals",
        "approve",
        "refuse",
        "withdraw",
        "confirm",
        "audit-log",
        "book",
        "export",
        "erase",
        "requests",
        "grant",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words and words[0] in TRAINER_COMMANDS:
            return _person(words)
        return _server(words)
    except OperatorError as error:
        print(f"pbx-bridge: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _person(words: list[str]) -> int:
    from pbx_bridge.trainer.cli import main as person

    return person(words)


def _server(words: list[str]) -> int:
    try:
        from pbx_bridge.cli_server import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "pbx_bridge":
            raise
        if words in ([], ["--help"], ["-h"]):
            return _person(["--help"])
        raise OperatorError(
            f"this command needs the server's packages ({error.name} is missing)",
            do="Run: pip install 'pbx-bridge[server]'. What a person's own machine has: pbx-bridge --help",
        ) from error
    return run(words)


if __name__ == "__main__":
    sys.exit(main())
