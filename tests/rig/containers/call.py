"""The demonstration's call in a container, and everybody in it but the trainee at the desktop.

It shares the PBX's loopback, where its two telephones are. The approver approves the plan, the customer calls, the trainee
holds and resumes, a private mail jumps in front of the order desk, the customer hangs up; the trainee hands over, the
trainer joins, is confirmed and fetches the sealed file into the volume. Exit code 0 only when the file is proven.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.rig.approver import Approver
from tests.rig.call import Plan, hold_a_call
from tests.rig.commands import BridgeError
from tests.rig.containers import truth as truths
from tests.rig.containers.stage import ask, invited
from tests.rig.install import Installed
from tests.rig.proof import decode, judge, open_sealed, table
from tests.rig.trainer import PersonsMachine

PROGRAMS = Installed(Path("/opt/people"))
PEOPLE, RECORDINGS = Path("/people"), Path("/recordings")
"""The persons' keys; what the trainer fetches. Two volumes: a sealed file does not lie beside the key that opens it."""
SIP_PORT = 5060
CALL_S = 20.0
HOLD_S = (5.0, 7.5)


async def main() -> int:
    carla = Approver(PROGRAMS, PEOPLE / "carla")
    if (invitation := invited("carla")) is not None:
        _tell("the approver joins, reads the trainee's plan and approves it")
        await carla.take_office(invitation)
    else:
        await carla.approve()
    await ask("prepare")
    # The bridge takes an approval up within two seconds; the caller's notice is longer, and the draw comes after it.
    plan = Plan(CALL_S, HOLD_S, moments=((HOLD_S[1] + 1.0, _mail),))
    with tempfile.TemporaryDirectory() as folder:
        truth = await hold_a_call(SIP_PORT, plan, Path(folder), _tell)
    bruno = PersonsMachine(PROGRAMS, PEOPLE / "bruno", PEOPLE / "bruno.key")
    if (invitation := invited("bruno")) is not None:
        _tell("the trainer joins; the approver confirms the key whose fingerprint he reads out")
        await carla.confirm("bruno", await bruno.join(invitation))
    recording = await ask("hand-over")
    _tell("the trainee has handed the recording over; the trainer fetches it")
    sealed = RECORDINGS / f"{recording}.age"
    await bruno.fetch(recording, sealed, "demonstration")
    truths.keep(truth, RECORDINGS / f"{recording}.npz")
    checks = judge(decode(open_sealed(sealed, bruno.identity)), truth)
    print(table(checks))
    proven = all(check.holds for check in checks)
    _tell("proven" if proven else "NOT proven: see the lines marked FAIL")
    _tell(f"recording: {sealed.name}, {sealed.stat().st_size:,} bytes")
    return 0 if proven else 1


async def _mail() -> None:
    await ask("mail")
    _tell("a private mail jumps in front of the order desk")


def _tell(text: str) -> None:
    print(f"call: {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (BridgeError, OSError, RuntimeError, TimeoutError, ValueError) as error:
        sys.exit(f"call: {error or type(error).__name__}")
