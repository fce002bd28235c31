"""`pbx-bridge request` against a real keeper: noted with its deadline, answered with sealed copies, erased, overdue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from typer.testing import CliRunner

from pbx_bridge.age import X25519Identity
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.witness import Witness
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.cli_requests import commands
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.telephony.number_lists import NumberLists
from pbx_bridge.telephony.numbers import number_hash
from pbx_bridge.wire_portal import Act, Deed, Refused, fingerprint
from pbx_bridge.wire_rights import grant_text
from tests.archive.house import House, house, manifest, opened_by_age
from tests.media.test_excerpt import CUSTOMER_HZ, legs, original, tone_db

T = TypeVar("T")


@dataclass
class Site:
    home: House
    recording: RecordingId

    async def request(self, *words: str) -> Any:
        """One command, as root on the server."""

        def ask(config: Config, question: Callable[[KeeperLink], Coroutine[Any, Any, T]]) -> T:
            async def asked() -> T:
                link = KeeperLink(self.home.socket)
                try:
                    return await question(link)
                finally:
                    await link.close()

            return asyncio.run(asked())

        bridge = SimpleNamespace(state_dir=self.home.folder, user="root")
        recording = SimpleNamespace(opt_out_months=12)
        site = cast(
            Config,
            SimpleNamespace(bridge=bridge, recording=recording, catalogue=self.home.folder / "catalogue.db"),
        )
        group = commands(lambda: site, ask)
        return await asyncio.to_thread(lambda: CliRunner().invoke(group, list(words)))

    async def asked(self, *words: str) -> dict[str, Any]:
        done = await self.request(*words, "--json")
        assert done.exit_code == 0, done.exception
        return cast(dict[str, Any], json.loads(done.output))

    def file(self) -> Path:
        return self.home.archive / f"{self.recording}.age"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        (tmp_path / "retention").mkdir()
        recorded = await home.record(original(), manifest(trainee="alice"))
        yield Site(home, recorded.recording)


async def test_a_customers_request_from_the_first_day_to_the_copy(site: Site, tmp_path: Path) -> None:
    customer = X25519Identity.generate()
    key = str(customer.recipient())
    told = await site.request("open", "access", "--recording", site.recording, "--key", key)
    assert told.exit_code == 0, told.exception
    assert "answer by 20" in told.output
    assert fingerprint(key) in told.output
    (request,) = await site.home.link.all_requests()
    assert f"pbx-bridge grant {request.id}" in told.output
    early = await site.request("answer", request.id, "--to", str(tmp_path / "copy"))
    assert early.exit_code != 0
    assert not list((tmp_path / "copy").iterdir())
    await site.home.deed(Act(Deed.GRANT, request.id, grant_text(request)))
    done = await site.request("answer", request.id, "--to", str(tmp_path / "copy"))
    assert done.exit_code == 0, done.exception
    (copy,) = (tmp_path / "copy").iterdir()
    assert copy.stat().st_mode & 0o077 == 0
    identity = tmp_path / "customer.txt"
    identity.write_text(f"{customer}\n")
    assert tone_db(legs(opened_by_age(copy, identity))[1], CUSTOMER_HZ, 2.1, 4.9) > -20
    assert (await site.request("close", request.id, "answered")).exit_code == 0
    listed = await site.request("list")
    assert (listed.exit_code, "answered" in listed.output) == (0, True)


async def test_erasure_takes_the_bytes_too(site: Site) -> None:
    """The control: access leaves them."""
    await site.asked("open", "access", "--trainee", "alice")
    assert site.file().exists()
    (request,) = await site.home.link.all_requests()
    assert (await site.request("close", request.id, "withdrawn")).exit_code == 0
    told = await site.request("open", "erasure", "--recording", site.recording)
    assert told.exit_code == 0, told.exception
    assert f"destroyed: {site.recording}" in told.output
    assert not site.file().exists()
    (remembered,) = Witness(site.home.folder / "retention").recent(0)
    assert (remembered.recording, remembered.reason) == (site.recording, "erased")


async def test_what_an_access_request_keeps_keeps_its_bytes_and_goes_with_it(site: Site) -> None:
    key = str(X25519Identity.generate().recipient())
    access = await site.asked("open", "access", "--recording", site.recording, "--key", key)
    told = await site.request("open", "objection", "--recording", site.recording)
    assert told.exit_code == 0, told.exception
    assert "destroyed: nothing yet" in told.output
    assert f"ends: {site.recording}" in told.output
    assert site.file().exists()
    closed = await site.request("close", access["id"], "answered")
    assert f"destroyed: {site.recording}" in closed.output
    assert not site.file().exists()
    again = await site.request("open", "objection", "--recording", site.recording)
    assert "destroyed: nothing was kept" in again.output


async def test_a_trainees_objection_on_paper_is_noted_and_holds_from_then_on(site: Site) -> None:
    """P16, P23: as if they had objected under "My rights"; accepted, it stands until a plan is approved anew."""
    assert await site.home.link.approvals(), "her plan"
    told = await site.request("open", "objection", "--trainee", "alice")
    assert told.exit_code == 0, told.exception
    assert "nothing new of them is recorded" in told.output
    (request,) = await site.home.link.all_requests()
    assert f"pbx-bridge request close {request.id} answered, and pbx-bridge plan end" in told.output
    assert await site.home.link.approvals() == frozenset()
    assert site.file().exists(), "what there is stays, for them alone"
    assert (await site.request("close", request.id, "answered")).exit_code == 0
    assert await site.home.link.approvals() == frozenset()
    refused = await site.asked("open", "objection", "--trainee", "alice")
    assert (await site.request("close", refused["id"], "refused")).exit_code == 0
    assert await site.home.link.approvals() == frozenset(), "the one that was accepted stands"


async def test_a_restriction_has_its_end(site: Site) -> None:
    refused = await site.request("open", "restriction", "--recording", site.recording)
    assert "within 173 days" in str(refused.exception)
    made = await site.asked("open", "restriction", "--recording", site.recording, "--until", _day_in(days=20))
    assert made["until"] > made["opened_at"]
    longer = await site.request("extend", made["id"])
    assert longer.exit_code == 0, longer.exception


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("open", "access"), "who asks"),
        (("open", "access", "--trainee", "alice", "--recording", "a" * 26), "who asks"),
        (("open", "restriction", "--trainee", "alice", "--until", "soon"), "2026-11-24"),
        (("answer", "zzzzzzzz", "--to", "copy"), "no such request"),
        (("close", "zzzzzzzz", "answered"), "no open request"),
        (("close", "x", "answered"), "text of 8 to 8"),
        (("extend", "x"), "text of 8 to 8"),
        (("open", "erasure", "--recording", "zzz"), "26 characters"),
    ],
)
async def test_what_is_wrong_is_said(site: Site, words: tuple[str, ...], said: str) -> None:
    done = await site.request(*words)
    assert isinstance(done.exception, OperatorError | Refused)
    assert said in str(done.exception)


async def test_a_name_nobody_has_is_said(site: Site) -> None:
    told = await site.request("open", "access", "--trainee", "alcie")
    assert (told.exit_code, "is alcie the right name?" in told.output) == (0, True)
    told = await site.request("open", "access", "--trainee", "alice")
    assert (told.exit_code, "right name" in told.output) == (0, False)


async def test_a_customers_copy_needs_their_key(site: Site) -> None:
    done = await site.request("open", "access", "--recording", site.recording)
    assert "their own key" in str(done.exception)


def _day_in(*, days: int) -> str:
    return (datetime.now().astimezone() + timedelta(days=days)).date().isoformat()


async def test_a_customer_is_found_by_number_and_day_and_the_number_lies_nowhere(site: Site) -> None:
    """However it is written. The control: another number, another day, find nothing."""
    catalogue = Catalogue.open(site.home.folder / "catalogue.db")
    key = NumberLists(site.home.folder / "numbers").key
    began = int(datetime.now().astimezone().timestamp())
    hashed = number_hash(key, "+33 6 12 34 56 78")
    catalogue.recordings.note(Noted(site.recording, TraineeId("alice"), "call", "party", hashed, began))
    catalogue.close()
    mine = ("--key", str(X25519Identity.generate().recipient()))
    for number, days in (("0612345679", 0), ("0612345678", 1)):
        none = await site.request("open", "access", "--number", number, "--day", _day_in(days=days), *mine)
        assert "no recording of a call with this number" in str(none.exception)
    made = await site.asked("open", "access", "--number", "0612345678", "--day", _day_in(days=0), *mine)
    assert made["recordings"] == [site.recording]
    files = [path for path in site.home.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"12345678" in path.read_bytes()]
    assert [path for path in files if hashed.encode() in path.read_bytes()]


async def test_who_objects_by_letter_is_left_alone_in_later_calls(site: Site) -> None:
    """P16: also where nothing of theirs is kept. The control: an erasure opts nobody out."""
    words = ("--number", "0612345678", "--day", _day_in(days=0))

    def opted_out() -> frozenset[str]:
        return NumberLists(site.home.folder / "numbers").lists().opted_out

    assert "no recording" in str((await site.request("open", "erasure", *words)).exception)
    assert not opted_out()
    assert "no recording" in str((await site.request("open", "objection", *words)).exception)
    key = NumberLists(site.home.folder / "numbers").key
    assert opted_out() == {number_hash(key, "+33 6 12 34 56 78")}
    wrong = await site.request("open", "objection", "--number", "nobody", "--day", _day_in(days=0))
    assert "no telephone number" in str(wrong.exception)
