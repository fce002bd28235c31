"""A trainer on their own machine: join, list, fetch, against a real keeper and a real portal; opened by Debian's age."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from tests.archive.house import Machine, house, opened_by_age


async def test_a_handed_over_recording_is_fetched_and_opens_with_age(tmp_path: Path) -> None:
    content = os.urandom(200_000)
    machine = Machine(tmp_path / "bruno")
    to = machine.folder / "call.age"
    async with house(tmp_path) as home:
        recording = (await home.record(content)).recording
        code = await home.invite("bruno")

        async def say(*words: str) -> tuple[int, str, str]:
            done = await asyncio.to_thread(machine.run, *words)
            return done.code, done.out, done.err

        code_, out, err = await say(
            "join", home.url, "--code", code, "--identity-file", str(machine.identity)
        )
        assert (code_, err) == (0, "")
        assert "as bruno (trainer)" in out

        code_, out, _ = await say("list", "--json")
        assert code_ == 0
        assert [(i["recording"], i["state"]) for i in json.loads(out)] == [(recording, "trainee-first")]

        code_, _, err = await say("fetch", recording, "--to", str(to), "--session", "review")
        assert code_ == 1
        assert "still the trainee's alone" in err

        await home.link.hand_over(recording, "alice")
        code_, out, err = await say("fetch", recording, "--to", str(to), "--session", "review")
        assert (code_, err) == (0, "")
    assert opened_by_age(to, machine.identity) == content
