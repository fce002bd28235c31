"""A trainer on their own machine: join, list, fetch, against a real keeper and a real portal; opened by Debian's age."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pbx_bridge.age import ScryptIdentity, open_bytes
from pbx_bridge.ids import RecordingId, new_recording_id
from pbx_bridge.trainer.bridge import TIMEOUT_S
from pbx_bridge.wire_portal import Role
from tests.access.logs import records_of
from tests.archive.disk import small_disk
from tests.archive.house import Done, House, Machine, house, manifest, opened_by_age

CONTENT = os.urandom(700_000)


@dataclass
class Desk:
    """A trainer's machine that has joined, and the house it joined."""

    home: House
    machine: Machine

    async def say(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        return await asyncio.to_thread(lambda: self.machine.run(*words, env=env))

    async def ready(self, content: bytes = CONTENT) -> RecordingId:
        """A recording this trainer may open."""
        recording = (await self.home.record(content)).recording
        await self.home.link.hand_over(recording, "alice")
        return recording

    async def fetch(self, recording: str, to: Path) -> Done:
        return await self.say("fetch", recording, "--to", str(to), "--session", "review of Friday")

    @property
    def to(self) -> Path:
        return self.machine.folder / "call.age"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with house(tmp_path) as home:
        made = Desk(home, Machine(tmp_path / "bruno"))
        code = await home.invite("bruno")
        done = await made.say("join", home.url, "--code", code, "--identity-file", str(made.machine.identity))
        assert (done.code, done.err) == (0, "")
        assert "as bruno (trainer)" in done.out
        await home.confirm("bruno")
        yield made


async def test_a_handed_over_recording_is_fetched_and_opens_with_age(desk: Desk) -> None:
    recording = (await desk.home.record(CONTENT)).recording
    done = await desk.say("list", "--json")
    assert [(i["recording"], i["state"]) for i in json.loads(done.out)] == [(recording, "trainee-first")]
    await desk.home.link.hand_over(recording, "alice")
    done = await desk.say("list")
    assert (done.code, done.err) == (0, "")
    assert recording in done.out
    assert "ready" in done.out
    done = await desk.fetch(recording, desk.to)
    assert (done.code, done.err) == (0, "")
    assert opened_by_age(desk.to, desk.machine.identity) == CONTENT
    assert desk.to.stat().st_mode & 0o777 == 0o600
    assert desk.machine.identity.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in desk.machine.folder.iterdir()) == ["call.age", "identity.txt", "profile"]


async def test_every_state_says_so(desk: Desk) -> None:
    """On its way, the trainee's alone, discarded for a technical reason and for a person's, not there at all."""
    going = manifest()
    await desk.home.begin(going)
    alone = (await desk.home.record(CONTENT)).recording
    technical, person = (await desk.ready(), await desk.ready())
    await desk.home.link.destroy(technical, "audio-missing")
    await desk.home.link.destroy(person, "objection")
    anothers = (await desk.home.record(CONTENT, manifest(trainer="carla"))).recording
    expected = {
        going.recording: "still on its way",
        alone: "still the trainee's alone",
        technical: "not recorded (technical fault: audio-missing)",
        person: "nothing was kept of this call: not recorded",
        anothers: "no such recording for you",
        new_recording_id(): "no such recording for you",
    }
    for recording, sentence in expected.items():
        for done in (
            await desk.fetch(recording, desk.to),
            await desk.say("play", recording, "--no-browser", "--session", "review"),
        ):
            assert done.code == 1
            assert sentence in done.err
            assert "objection" not in done.err
            assert done.err.count("\n") == 1
    listed = {i["recording"]: i["state"] for i in json.loads((await desk.say("list", "--json")).out)}
    assert listed == {going.recording: "on-its-way", alone: "trainee-first", technical: "not-kept"}
    assert not list(desk.machine.folder.glob("call*"))


@pytest.mark.parametrize("there", [0, 1, 168, 184, 70_000, 400_000, None])
async def test_an_interrupted_fetch_goes_on(desk: Desk, there: int | None) -> None:
    """Whatever of it is there, the same command ends with the whole file; what is there is not sent again."""
    recording = await desk.ready()
    whole = desk.machine.folder / "whole.age"
    assert (await desk.fetch(recording, whole)).code == 0
    part = desk.to.with_name("call.age.part")
    part.write_bytes(whole.read_bytes()[:there])
    done = await desk.fetch(recording, desk.to)
    assert (done.code, done.err) == (0, "")
    assert opened_by_age(desk.to, desk.machine.identity) == CONTENT
    assert not part.exists()


async def test_an_interrupted_fetch_of_something_else_is_begun_again(desk: Desk) -> None:
    first, second = await desk.ready(), await desk.ready(os.urandom(300_000))
    other = desk.machine.folder / "other.age"
    assert (await desk.fetch(second, other)).code == 0
    part = desk.to.with_name("call.age.part")
    for content in (other.read_bytes()[:200_000], os.urandom(50_000), b"age-encryption.org/v1\n"):
        part.write_bytes(content)
        assert (await desk.fetch(first, desk.to)).code == 0
        assert opened_by_age(desk.to, desk.machine.identity) == CONTENT
        desk.to.unlink()


async def test_a_damaged_part_is_found_and_removed(desk: Desk) -> None:
    """The digest the recorder signed decides, not what this machine believes it has."""
    recording = await desk.ready()
    whole = desk.machine.folder / "whole.age"
    assert (await desk.fetch(recording, whole)).code == 0
    damaged = bytearray(whole.read_bytes()[:400_000])
    damaged[200_000] ^= 1
    part = desk.to.with_name("call.age.part")
    part.write_bytes(damaged)
    done = await desk.fetch(recording, desk.to)
    assert done.code == 1
    assert "not what the recorder signed" in done.err
    assert not part.exists()
    assert not desk.to.exists()


async def test_a_changed_file_at_the_bridge_is_found(desk: Desk) -> None:
    recording = await desk.ready()
    sealed = desk.home.archive / f"{recording}.age"
    spoiled = bytearray(sealed.read_bytes())
    spoiled[300_000] ^= 1
    sealed.write_bytes(spoiled)
    done = await desk.fetch(recording, desk.to)
    assert done.code == 1
    assert "not what the recorder signed" in done.err


async def test_a_full_disk_keeps_what_is_there_for_the_next_time(desk: Desk, tmp_path: Path) -> None:
    recording = await desk.ready(os.urandom(12 << 20))
    with small_disk(tmp_path, 12) as disk:
        done = await desk.fetch(recording, disk.folder / "call.age")
        assert done.code == 2
        assert "No space left" in done.err
        assert not (disk.folder / "call.age").exists()


async def test_bad_input_says_what_and_where(desk: Desk) -> None:
    recording = await desk.ready()
    desk.to.write_text("mine")
    for words, code, sentence in (
        (("fetch", recording, "--to", str(desk.to), "--session", "x"), 2, "already there"),
        (("fetch", recording, "--to", str(desk.machine.folder), "--session", "x"), 2, "a folder"),
        (("fetch", recording, "--to", "/nowhere/call.age", "--session", "x"), 2, "cannot be written"),
        (("fetch", recording, "--to", str(desk.to) + "2"), 1, "--session"),
        (("fetch", recording, "--to", str(desk.to) + "2", "--session", "x" * 201), 2, "200"),
        (("fetch", "CALL-1", "--to", str(desk.to) + "2", "--session", "x"), 2, "26 characters"),
        (("play", "missing.age", "--session", "x"), 2, "no such file"),
        (("play", str(desk.to)), 1, "not an age v1 file"),
        (("join", desk.home.url, "--code", "ABCDE"), 2, "16 groups"),
        (("join", desk.home.url, "--code", await desk.home.invite("carla")), 2, "already joined"),
        (("fetch",), 2, "usage"),
        ((), 2, "usage"),
        (("list", "--as", "carla"), 2, "unrecognized"),
    ):
        done = await desk.say(*words) if words else Done(*_bare(desk.machine))
        assert (done.code, done.out) == (code, ""), words
        assert sentence in done.err, words
        assert "Traceback" not in done.err
    assert desk.to.read_text() == "mine"


def _bare(machine: Machine) -> tuple[int, str, str]:
    done = subprocess.run(machine.command()[:3], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


async def test_the_statement_and_the_person_stand_in_the_audit_log(desk: Desk) -> None:
    recording = await desk.ready()
    assert (await desk.fetch(recording, desk.to)).code == 0
    fetched = [r for r in records_of(desk.home.folder / "keeper") if r["act"] == "fetch"]
    assert [(r["who"], r["recording"], r["session"], r["outcome"]) for r in fetched] == [
        ("bruno", recording, "review of Friday", "granted")
    ]


async def test_a_code_that_was_used_leaves_nothing_on_the_machine(desk: Desk, tmp_path: Path) -> None:
    code = await desk.home.invite("carla")
    for name, expected in (("carla", 0), ("thief", 1)):
        machine = Machine(tmp_path / name)
        words = ("join", desk.home.url, "--code", code, "--identity-file", str(machine.identity))
        done = await Desk(desk.home, machine).say(*words)
        assert done.code == expected
        assert machine.identity.exists() is (expected == 0)
    assert "wrong, was used, or is older" in done.err
    assert not (machine.folder / "profile").exists()


async def test_a_passphrase_keeps_the_identity(desk: Desk, tmp_path: Path) -> None:
    """The file is an age file under the passphrase; without it, or with another, nothing opens."""
    machine = Machine(tmp_path / "carla")
    words = tmp_path / "passphrase"
    words.write_text("correct horse battery\n")
    env = {"PBX_BRIDGE_PASSPHRASE_FILE": str(words)}
    carla = Desk(desk.home, machine)
    done = await carla.say("join", desk.home.url, "--code", await desk.home.invite("carla"), env=env)
    assert (done.code, done.err) == (0, "")
    sealed = (machine.folder / "profile" / "identity.age").read_bytes()
    assert b"AGE-SECRET" not in sealed
    waiting = await carla.say("list", env=env)
    assert waiting.code == 1
    assert "not confirmed yet" in waiting.err
    await desk.home.confirm("carla")
    assert open_bytes(sealed, [ScryptIdentity("correct horse battery")]).startswith(b"AGE-SECRET-KEY-1")
    assert (await carla.say("list", env=env)).out == "no recordings for you\n"
    done = await carla.say("list")
    assert done.code == 2
    assert "PBX_BRIDGE_PASSPHRASE_FILE" in done.err
    words.write_text("wrong")
    done = await carla.say("list", env=env)
    assert done.code == 2
    assert "passphrase is wrong" in done.err


async def test_a_machine_that_never_joined_is_told_how(tmp_path: Path) -> None:
    for words in (("list",), ("fetch", "a" * 26, "--to", "x"), ("play", "a" * 26)):
        done = await asyncio.to_thread(Machine(tmp_path / "new").run, *words)
        assert done.code == 2
        assert "join URL --code CODE" in done.err


async def test_a_bridge_that_is_gone_is_said(desk: Desk, tmp_path: Path) -> None:
    profile = desk.machine.folder / "profile" / "profile.json"
    profile.write_text(profile.read_text().replace(desk.home.url, "https://localhost:1"))
    done = await desk.say("list")
    assert done.code == 1
    assert "cannot be reached" in done.err


async def test_a_keyring_keeps_the_identity(desk: Desk, tmp_path: Path) -> None:
    """By default, where there is one: no file holds the key, and a locked keyring says so."""
    machine, ring = Machine(tmp_path / "carla"), tmp_path / "ring"
    env = {"PYTHON_KEYRING_BACKEND": "tests.trainer.file_keyring.FileKeyring", "TEST_KEYRING": str(ring)}
    carla = Desk(desk.home, machine)
    code = await desk.home.invite("carla")
    done = await carla.say("join", desk.home.url, "--code", code, env=env)
    assert (done.code, done.err) == (0, "")
    assert "in the keyring" in done.out
    assert [p.name for p in machine.folder.rglob("*") if p.is_file()] == ["profile.json"]
    await desk.home.confirm("carla")
    assert (await carla.say("list", env=env)).out == "no recordings for you\n"
    failed = await Desk(desk.home, Machine(tmp_path / "thief")).say(
        "join", desk.home.url, "--code", code, env=env
    )
    assert failed.code == 1
    assert len(json.loads(ring.read_text())) == 1
    ring.write_text('{"locked": ""}')
    done = await carla.say("list", env=env)
    assert done.code == 2
    assert "keyring" in done.err


async def test_a_trainee_fetches_their_own_without_a_session(desk: Desk, tmp_path: Path) -> None:
    recording = (await desk.home.record(CONTENT)).recording
    alice = Desk(desk.home, Machine(tmp_path / "alice"))
    words = (
        "--code",
        await desk.home.invite("alice", Role.TRAINEE),
        "--identity-file",
        str(alice.machine.identity),
    )
    assert (await alice.say("join", desk.home.url, *words)).code == 0
    await desk.home.confirm("alice")
    assert (await alice.say("fetch", recording, "--to", str(alice.to))).code == 0
    assert opened_by_age(alice.to, alice.machine.identity) == CONTENT


async def views(desk: Desk) -> list[tuple[str, str, str]]:
    found = (await desk.home.link.accesses("alice")).accesses
    return [(line.who, line.outcome, line.reason) for line in reversed(found) if line.act == "view"]


async def test_a_damaged_end_is_on_record_though_nothing_was_shown(desk: Desk) -> None:
    """P19: a player opens the last part first."""
    recording = await desk.ready()
    sealed = desk.home.archive / f"{recording}.age"
    content = bytearray(sealed.read_bytes())
    content[-1] ^= 1
    sealed.write_bytes(content)
    done = await desk.say("play", recording, "--no-browser", "--session", "review")
    assert (done.code, done.out) == (1, "")
    assert await views(desk) == [("bruno", "refused", "damaged")]


async def test_play_says_what_it_was_given_when_it_ends(desk: Desk) -> None:
    """P19: Ctrl-C."""
    recording = await desk.ready()
    command = desk.machine.command("play", recording, "--no-browser", "--session", "review")

    def watched() -> tuple[bytes, int]:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as playing:
            assert playing.stdout is not None
            url = playing.stdout.readline().decode().split()[-1]
            with urllib.request.urlopen(f"{url}video", timeout=20) as video:
                shown = video.read()
            playing.send_signal(signal.SIGINT)
            return shown, playing.wait(20)

    assert await asyncio.to_thread(watched) == (CONTENT, 0)
    assert await views(desk) == [("bruno", "granted", "")]


async def test_ctrl_c_ends_play_though_the_bridge_falls_silent(tmp_path: Path) -> None:
    """In the midst of a read; closing the connection waited for it, 20 s, and a second Ctrl-C changed nothing."""
    silent, over, ended = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("localhost", urlsplit(home.url).port)

        async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            left = 1_500_000
            with contextlib.suppress(ConnectionError):
                while left > 0 and (part := await source.read(65_536)):
                    to.write(part)
                    left -= len(part)
            if left <= 0:
                silent.set()
                await over.wait()
            to.close()

        async with asyncio.TaskGroup() as both:
            both.create_task(carry(reader, there[1]))
            both.create_task(carry(there[0], writer))
        ended.release()

    async with house(tmp_path) as home, await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        desk = Desk(home, Machine(tmp_path / "bruno"))
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        code = await home.invite("bruno")
        joined = await desk.say("join", url, "--code", code, "--identity-file", str(desk.machine.identity))
        assert joined.code == 0
        await home.confirm("bruno")
        recording = await desk.ready(os.urandom(4_000_000))
        command = desk.machine.command("play", recording, "--no-browser", "--session", "review")
        playing = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert playing.stdout is not None
        player = (await playing.stdout.readline()).split()[-1].decode()
        where = urlsplit(player)
        _, watching = await asyncio.open_connection(where.hostname, where.port)
        watching.write(f"GET {where.path}video HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            await silent.wait()
        playing.send_signal(signal.SIGINT)
        async with asyncio.timeout(TIMEOUT_S / 2):
            _, said = await playing.communicate()
        assert (playing.returncode, said) == (0, b"")
        watching.close()
        over.set()
        async with asyncio.timeout(20):
            for _ in range(3):  # join's two connections, and play's
                await ended.acquire()
