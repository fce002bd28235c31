"""The keeper's socket: who may speak, and what malformed, cut, oversized or flooding peers get. A real process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import office_wire, opening_wire
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keeper_server import MAX_CONNECTIONS, Peers
from pbx_bridge.archive.recording_wire import Left
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.ids import new_recording_id
from pbx_bridge.wire_portal import KeeperUnreachable, Refused
from tests.archive.house import House

STATUS = wire.write_request(wire.Status())
NOBODY_UID = 65_534


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    built = House(tmp_path)
    await built.start_keeper()
    yield built
    await built.link.close()
    built.end_keeper()


async def say(home: House, *parts: bytes, end: bool = True) -> bytes:
    """Sends the parts one by one on a fresh connection; all that comes back until it is closed."""
    reader, writer = await asyncio.open_unix_connection(str(home.socket))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if end:
            writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def word(answer: bytes) -> str:
    found = json.loads(answer)["no"]
    assert isinstance(found, str)
    return found


MALFORMED = [
    b"\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'"status"\n',
    b'{"do":"status"\n',
    b'{"do":"status","more":1}\n',
    b'{"do":"status","do":"status"}\n',
    b'{"do":null}\n',
    b'{"do":["status"]}\n',
    b'{"do":"shutdown"}\n',
    b'{"do":"destroy","recording":"../../etc/passwd","reason":"private"}\n',
    b'{"do":"destroy","recording":"' + b"a" * 26 + b'","reason":"a reason with blanks"}\n',
    b'{"do":"open","token":"' + b"g" * 64 + b'","recording":"' + b"a" * 26 + b'","session":"s"}\n',
    b'{"do":"invite","name":"bruno","role":"administrator"}\n',
    b'{"do":"invite","name":"bruno\\u0000","role":"trainer"}\n',
    b'{"do":"list","token":NaN}\n',
    b"\xff\xfe\x00\n",
    b"[" * 50_000 + b"\n",
    b'{"do":"list","token":"' + b"0" * 60_000 + b'"}\n',
]


async def test_a_malformed_line_ends_its_own_connection(home: House) -> None:
    for line in MALFORMED:
        assert word(await say(home, line, end=False)) == "malformed", line[:60]
        assert b'"ok"' not in await say(home, line + STATUS, end=False)
    await home.link.status()


async def test_a_line_without_end_is_cut_off_at_the_limit(home: House) -> None:
    answer = await say(home, *[b"x" * 8_192] * 9, end=False)
    assert answer == b"" or word(answer) == "malformed"
    await home.link.status()


@pytest.mark.parametrize("size", [wire.MAX_REQUEST_BYTES - 1, wire.MAX_REQUEST_BYTES])
async def test_up_to_the_limit_a_line_is_read(home: House, size: int) -> None:
    padded = STATUS[:-2] + b" " * (size - len(STATUS)) + b"}\n"
    assert b'"ok"' in await say(home, padded)


async def test_any_cut_and_any_pieces_are_read_alike(home: House) -> None:
    whole = await say(home, STATUS)
    assert await say(home, *[STATUS[at : at + 1] for at in range(len(STATUS))]) == whole
    assert await say(home, STATUS + STATUS) == whole + whole
    for cut in range(len(STATUS)):
        assert await say(home, STATUS[:cut]) == b""


async def test_noise_changes_nothing(home: House) -> None:
    before = await home.link.status()
    dice = random.Random(7)
    for _ in range(60):
        spoiled = bytearray(STATUS * 2)
        for _ in range(dice.randint(1, 6)):
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
        await say(home, bytes(spoiled))
        await say(home, dice.randbytes(dice.randrange(2_000)))
    assert await home.link.status() == before


async def test_a_stranger_of_this_machine_is_told_nothing(home: House) -> None:
    """Another user connects: the kernel says who they are, whatever they say."""
    for folder in (home.folder, home.socket.parent, *home.folder.parents):
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    script = (
        "import os, socket, sys\n"
        f"os.setresgid(*[{NOBODY_UID}] * 3); os.setresuid(*[{NOBODY_UID}] * 3)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "print(s.makefile().readline())\n"
    )

    def stranger() -> bytes:
        command = [sys.executable, "-c", script, str(home.socket)]
        return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout

    assert word(await asyncio.to_thread(stranger)) == "stranger"


def test_each_side_has_its_own_words() -> None:
    peers = Peers(frozenset({10}), frozenset({0, 11}))
    assert peers.allowed(12, 12) == {}
    assert "open" in peers.allowed(10, 10)
    assert "invite" not in peers.allowed(10, 10)
    assert "invite" in peers.allowed(11, 11)
    assert not {"open", "put", "finish", "prove", "hand-over"} & set(peers.allowed(0, 0))
    for line, allowed in ((office_wire.Invite, 10), (opening_wire.Open, 0)):
        text = json.dumps({"do": line.__name__.lower()}).encode()
        with pytest.raises(Refused) as refused:
            wire.read_request(text, peers.allowed(allowed, allowed))
        assert refused.value.word == "not-yours"


def test_where_nobody_is_root_a_primary_group_makes_the_administrator() -> None:
    """P22: the recorder's user with its own group stays the recorder; the same user's commands with that group may both."""
    peers = Peers(frozenset({10}), frozenset({0}), frozenset({20}))
    assert "invite" not in peers.allowed(10, 10)
    assert {"invite", "open"} <= set(peers.allowed(10, 20))
    assert peers.allowed(12, 12) == {}


async def test_another_user_in_the_keepers_place_is_not_asked(home: House) -> None:
    link = KeeperLink(home.socket, keeper_uid=os.getuid() + 1)
    with pytest.raises(KeeperUnreachable, match="not the keeper"):
        await link.status()
    with pytest.raises(KeeperUnreachable):
        await link.recover(new_recording_id(), Left.SEALED, [])


async def test_silent_peers_hold_up_nobody(home: House) -> None:
    """More than the keeper has places for: those beyond are closed, those who speak are answered, places come back."""
    silent = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CONNECTIONS + 8)]
    await home.link.status()
    for peer in silent:
        peer.connect(str(home.socket))
    await home.link.status()
    for peer in silent:
        peer.close()
    await KeeperLink(home.socket).wait_ready(10)


async def test_a_keeper_that_dies_is_unreachable_and_comes_back(home: House) -> None:
    before = await home.link.status()
    home.end_keeper()
    with pytest.raises(KeeperUnreachable):
        await home.link.status()
    await home.start_keeper()
    after = await home.link.status()
    assert after.recipient == before.recipient
    assert after.audit_head == before.audit_head


async def test_the_keepers_folder_is_its_own(home: House) -> None:
    folder = home.folder / "keeper"
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_the_keeper_leaves_no_core_dump(home: House) -> None:
    """P17."""
    assert home.keeper is not None
    assert resource.prlimit(home.keeper.pid, resource.RLIMIT_CORE) == (0, 0)


async def test_a_persons_word_about_the_clock_reaches_the_keeper(home: House) -> None:
    """P20: taken where a person may say it; refused by a keeper that is an old backup, which no person may confirm."""
    await home.link.confirm_clock()
    assert (await home.link.pulse(int(time.time()) + 8 * DAY_S)).doubt == "restored"
    with pytest.raises(Refused) as refused:
        await home.link.confirm_clock()
    assert refused.value.word == "restored"


async def test_a_question_given_up_leaves_its_answer_to_nobody(home: House) -> None:
    """A cancelled question closes the connection, so that the next one never reads the late answer."""
    asking = asyncio.ensure_future(home.link.trainees_own("alice"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await home.link.status()).recordings == 0
