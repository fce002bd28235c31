"""Who gets the processors while `./run test` plays several tests at once.

Two lanes of tests start real programs; one worker each plays them, one test after the other. The first are judged by the
clock, so never two of them at once: they have the processors when they want them, and everything else and all that it
starts gets what they leave.
Niceness alone would not do: the kernel weighs it within one session, and PBX, screens and clients have sessions of their
own (sched(7), "The autogroup feature"). So who stands back does it in a control group; where none can be made, by
niceness.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

CLOCK, SCREENS = "clock", "screens"
LANES = {
    CLOCK: re.compile(
        r"live/(?!test_(init|watched))|docker/|faults/|asterisk/test_(live_|dialplan|ami_fences|watchdog)|bridge/"
        r"|capture/test_film|freeswitch/test_tap|stations/test_(cut|dialling|conversation)"
    ),
    SCREENS: re.compile(
        r"capture/|live/test_init|stations/test_autostart|trainer/test_play|media/test_browser|portal/.*browser"
    ),
}
"""What is played by one worker in turn: the first that matches a test's path below tests/."""
LAST = re.compile("docker/")
"""Of its lane: containers want the machine, and have it when all else is over."""
LONG = re.compile(
    r"trainer/|portal/web/|mutate/|rights/|age/test_interop|access/test_(pairs|audit)|freeswitch/test_(esl_)?link|test_run"
)
"""Files of no lane that take long: whoever is free begins with them, so that none is left over at the end."""
BY_THE_CLOCK = LANES[CLOCK]
"""Who is held up here fails, or is ended by the bridge's watchdog."""
NICE = 10
"""Of what belongs to no lane."""

GROUP = "pbx-bridge-tests-behind"
CGROUPS = Path("/sys/fs/cgroup")
WEIGHTS = (("cpu.shares", "512"), ("cpu.weight", "50"))
"""Half of what one busy session has, in either version's file."""


def lane_of(path: str) -> str:
    """The lane of a test file, "" for none. `path` is relative to tests/."""
    return next((name for name, fits in LANES.items() if fits.match(path)), "")


def turn_of(path: str) -> tuple[int, bool]:
    """Sorts test files: lane by lane, then what takes long, then the rest."""
    lane = lane_of(path)
    turn = [*LANES].index(lane) if lane else len(LANES) + (LONG.match(path) is None)
    return turn, bool(LAST.match(path))


class Processor:
    """This process's place among the others: `give_way` and `take`, each as often as one likes."""

    def __init__(self) -> None:
        self._front, self.behind = _places()
        """`behind` is None where no group can be made: niceness has to do."""

    def take(self) -> None:
        """As if nobody else were there, from now on, for this process and what it starts."""
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        if self.behind is not None:
            _enter(self._front)

    def give_way(self, nice: int) -> None:
        """Others first; `nice` among those who stand back."""
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        if self.behind is not None:
            _enter(self.behind)


def _places() -> tuple[Path, Path | None]:
    """Where this process's time is accounted (cgroups(7)), and the group for those who stand back, made if need be.

    In version 1 a group inside the own one; in version 2, where a group with processes has no groups inside, one at the top.
    """
    version_2 = (CGROUPS / "cgroup.controllers").exists()
    own, top = CGROUPS, CGROUPS
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, kinds, path = line.split(":", 2)
        if version_2 and number == "0":
            own = CGROUPS / path.lstrip("/")
        elif not version_2 and "cpu" in kinds.split(","):
            own = top = CGROUPS / "cpu" / path.lstrip("/")
    if own.name == GROUP:  # whoever started this stands back already
        own = top = own.parent
    group = top / GROUP
    with suppress(OSError):
        group.mkdir(exist_ok=True)
        for name, weight in WEIGHTS:
            if (group / name).exists():
                (group / name).write_text(weight)
                return own, group
        group.rmdir()
    return own, None


def _enter(group: Path) -> None:
    with suppress(OSError):
        (group / "cgroup.procs").write_text(str(os.getpid()))
