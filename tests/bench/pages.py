"""200 people at the portal's pages at once, with 100,000 recordings (`./run bench pages`).

    python -m tests.bench.pages [--recordings N] [--viewers N] [--seconds N]

The real pages in one process of their own, a real keeper in another, TLS, and here the viewers: each joined with an
invitation, a passphrase and a second factor, each with a session, a proven key, an address and a kept connection of
their own. Three of four are trainees and open their recordings, one is a trainer and opens their trainees' (with this
week's room and faults, from a ledger of 100,000 lines and a catalogue of 500 plans). Keys and entries lie in memory
where there is /dev/shm, the audit log on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyotp

from pbx_bridge import wire_portal as words
from pbx_bridge.access.books import closed, kept_key
from pbx_bridge.access.proof import answer
from pbx_bridge.age import X25519Identity, make_header, new_file_key, seal_bytes
from pbx_bridge.app_current import Current
from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.app_own import own_of
from pbx_bridge.app_training import week_of
from pbx_bridge.archive.book import Did, Note
from pbx_bridge.archive.book_chain import Heads, chained
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keystore import Entry
from pbx_bridge.archive.manifest import Assignment, encode
from pbx_bridge.archive.rules import Keeping, not_after
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.ids import TraineeId, new_recording_id
from pbx_bridge.ledger import Line
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.server import make_portal
from pbx_bridge.portal.web.accounts import STEP_S
from pbx_bridge.portal.web.site import Site
from pbx_bridge.stations.ca import ensure_ca
from pbx_bridge.training.plans import Application, Trainee, Trainer
from pbx_bridge.wire_json import canonical, write_fields
from pbx_bridge.wire_portal import Purpose, Role, SignedManifest
from tests.archive.house import House, manifest, plan_behind
from tests.bench.figures import Figure, p95, table
from tests.bench.release import MEMORY, START_WITHIN_S, resident_mib, worked_ms

RECORDINGS: Final = 100_000
VIEWERS: Final = 200
SECONDS: Final = 30
EACH: Final = 20
"""Recordings of one trainee: a month of five a week."""
OF_A_TRAINER: Final = 10
PLANS: Final = 500
PAUSE_S: Final = 4.0
"""From a page to the next, on average."""
PASSPHRASE: Final = "copper ladder fossil umbrella ninety"
APPLICATION: Final = Application("orders", "/opt/orders/orders", None, "Orders")


def trainee(number: int) -> str:
    return f"t{number:04}"


def trainer(number: int) -> str:
    return f"r{number:03}"


# -- what lies on the disks -----------------------------------------------------------------------------------------------


def fill_keeper(home: House, total: int, signed: int) -> None:
    """`total` finished recordings as the keeper itself would have written them; those of the first `signed` trainees are
    signed, the others nobody looks at."""
    keeper, recorder = home.folder / "keeper", home.recorder
    sealed = seal_bytes(str(X25519Identity.generate()).encode(), [home.keeper_recipient])
    header = make_header(new_file_key(), [X25519Identity.generate().recipient()]).hex()
    close_key, now, texts = kept_key(keeper / "books.key"), int(time.time()), []
    assert close_key is not None
    template = manifest().sealed("ab" * 32, 1_000_000, 300_000)
    for number in range(total):
        who = number // EACH
        start = now - 3_600 - (number % EACH) * 86_400
        described = replace(
            template,
            recording=new_recording_id(),
            trainee=TraineeId(trainee(who)),
            trainers=(Assignment(trainer(who // OF_A_TRAINER), now - 86_400 * 40, now + 86_400 * 40),),
            start=start,
            not_after=not_after(start, Keeping()),
        )
        known = (
            recorder.sign(described)
            if who < signed
            else SignedManifest(encode(described), recorder.public, bytes(64))
        )
        path = keeper / "keystore" / f"{described.recording}.json"
        path.write_bytes(closed(path.name, canonical(write_fields(Entry(known, header))), close_key))
        path.with_suffix(".key").write_bytes(sealed)
        texts.append(canonical(write_fields(Note(start, Did.RECORDED, described.recording))))
    lines = list(chained(texts, close_key))
    (keeper / "book.jsonl").write_bytes(b"".join(line for line, _ in lines))
    Heads(keeper / "book.head", close_key).begin((len(lines), lines[-1][1]))


def fill_bridge(folder: Path, total: int) -> None:
    """A catalogue of PLANS plans, and a ledger with a line for each recording, some of them faults."""
    now = int(time.time())
    with Catalogue.open(folder / "catalogue").change() as change:
        change.add_application(APPLICATION)
        for number in range(PLANS // OF_A_TRAINER):
            change.add_trainer(Trainer(trainer(number), 600))
        change.add_trainees(
            Trainee(TraineeId(trainee(n)), (f"PJSIP/{n + 1000}",), "", trainee(n)) for n in range(PLANS)
        )
        for number in range(PLANS):
            change.add_plan(plan_behind(trainee(number), trainer(number // OF_A_TRAINER), now))
    (folder / "ledger").mkdir()
    days: dict[date, list[str]] = {}
    for number in range(total):
        name, at = (
            trainee(number // EACH),
            datetime.fromtimestamp(now - (number % EACH) * 86_400).astimezone(),
        )
        fault = number % 7 == 0
        line = Line(
            f"{number:032x}", at.isoformat(timespec="milliseconds"), name, "not-recorded" if fault else "recorded",
            "no-station" if fault else "hung-up", "", 0.0 if fault else 300.0, f"{name}-orders",
        )  # fmt: skip
        days.setdefault(at.date(), []).append(json.dumps(asdict(line)))
    for day, lines in days.items():
        (folder / "ledger" / f"{day.isoformat()}.jsonl").write_text("\n".join(lines) + "\n")


async def serve_pages(folder: Path) -> None:
    """The portal's own process: until its input ends."""
    tls, tail = ensure_ca(folder / "tls", ["localhost", "127.0.0.1"]), LedgerTail(folder / "ledger")
    current = Current(Catalogue.open(folder / "catalogue"))
    behind = Behind(
        known=lambda visitor: own_of(visitor, current(), tail, folder / "acknowledgements"),
        trained=lambda name: week_of(name, current(), tail, datetime.now().astimezone().date()),
    )
    portal = make_portal(
        PortalSettings("127.0.0.1", 0, tls.ca_cert, tls.cert, tls.key),
        KeeperLink(folder / "run" / "keeper.sock"), Shelf(folder / "sealed"), behind=behind,
        site=Site(folder / "accounts", "en"),
    )  # fmt: skip
    print(await portal.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await portal.close()


# -- the viewers ----------------------------------------------------------------------------------------------------------


@dataclass
class Viewer:
    """Somebody's browser, as far as the portal sees it."""

    port: int
    context: ssl.SSLContext
    certificate: bytes
    number: int
    name: str
    role: Role
    identity: X25519Identity = field(default_factory=X25519Identity.generate)
    totp: str = field(default_factory=pyotp.random_base32)
    cookie: str = ""
    csrf: str = ""
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def page(self) -> str:
        return "/trainees" if self.role is Role.TRAINER else "/recordings"

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request on the kept connection; one that the portal closed meanwhile is opened anew, as browsers do."""
        kept = self._streams is not None
        try:
            return await self._asked(method, path, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            if not kept:
                raise
        self._streams = None
        return await self._asked(method, path, body)

    async def _asked(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None or self._streams[0].at_eof():
            mine = (f"127.1.{self.number // 200}.{self.number % 200 + 1}", 0)
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=self.context, server_hostname="localhost", local_addr=mine
            )
        reader, writer = self._streams
        kind = "application/json" if body else "text/html"
        head = [
            f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", f"Origin: https://localhost:{self.port}",
            f"Accept: {kind}", "Accept-Language: en", f"X-Csrf: {self.csrf}", f"Cookie: __Host-session={self.cookie}",
            "Content-Type: application/json", f"Content-Length: {len(body)}",
        ]  # fmt: skip
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", answered)
        content = await reader.readexactly(int(length[1])) if length else b""
        if cookie := re.search(r"__Host-session=([^;]+);", answered):
            self.cookie = cookie[1]
        return int(answered.split()[1]), content

    async def join(self, code: bytes) -> None:
        """As a browser does: begin, prove, passphrase and second factor."""
        nonce, recipient = os.urandom(32), str(self.identity.recipient())
        status, begun = await self.ask(
            "POST", "/join/begin", words.write_body(words.BeginAsked(recipient, nonce, code))
        )
        assert status == 200, begun
        said = json.loads(begun)
        proof = answer(
            bytes.fromhex(said["sealed"]), self.identity, Purpose.JOIN, nonce, self.certificate, ""
        )
        guards = {
            "passphrase": PASSPHRASE,
            "totp": self.totp,
            "code": pyotp.TOTP(self.totp, interval=STEP_S).now(),
        }
        body = {"challenge": said["challenge"], "answer": proof.hex(), **guards}
        status, joined = await self.ask("POST", "/join", json.dumps(body).encode())
        assert status == 200, joined

    async def look(self) -> float:
        """Milliseconds from the click to the whole page."""
        started = time.perf_counter()
        status, page = await self.ask("GET", self.page)
        took = (time.perf_counter() - started) * 1_000
        rows = page.count(b"<tr>")
        assert status == 200, (status, page[:300])
        assert rows > EACH, rows
        return took

    async def browse(self, until: float, pause: random.Random) -> list[float]:
        """Page after page."""
        found = []
        await asyncio.sleep(pause.random() * PAUSE_S)
        while time.perf_counter() < until:
            found.append(await self.look())
            await asyncio.sleep(pause.uniform(0.5, 1.5) * PAUSE_S)
        return found


def _started(folder: Path) -> subprocess.Popen[str]:
    """The portal's process."""
    command = [sys.executable, "-m", "tests.bench.pages", "--serve", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def measure(folder: Path, keys: Path, recordings: int, viewers: int, seconds: int) -> list[Figure]:
    home = House(folder)
    (folder / "keeper").mkdir(mode=0o700)
    (folder / "keeper" / "keystore").symlink_to(keys)
    portal: subprocess.Popen[str] | None = None
    try:
        await home.start_keeper()
        await home._prove()  # dora approves, before anything is there
        home.end_keeper()
        await home.link.close()
        fill_keeper(home, recordings, PLANS)
        fill_bridge(folder, recordings)
        await home.start_keeper(START_WITHIN_S)
        portal = _started(folder)
        assert portal.stdout is not None
        port = int(await asyncio.to_thread(portal.stdout.readline))
        context = ssl.create_default_context(cafile=home.tls.ca_cert)
        people = []
        for number in range(viewers):
            trains = number % 4 == 3
            name = trainer(number // 4) if trains else trainee(number)
            role = Role.TRAINER if trains else Role.TRAINEE
            people.append(Viewer(port, context, home.tls.cert_sha256(), number, name, role))
        for person in people:
            await person.join((await home.link.invite(person.name, person.role)).code)
            await home.confirm(person.name)
        print(f"{viewers} viewers joined", flush=True)
        assert home.keeper is not None
        first_ms = [await person.look() for person in people]
        at_once_ms: list[float] = []
        for _ in range(3):
            at_once_ms += await asyncio.gather(*(person.look() for person in people))
        before = worked_ms(portal.pid), worked_ms(home.keeper.pid)
        until, pause = time.perf_counter() + seconds, random.Random(7)
        browsed = await asyncio.gather(*(person.browse(until, pause) for person in people))
        pages_ms = [took for found in browsed for took in found]
        after = worked_ms(portal.pid), worked_ms(home.keeper.pid)
        trainers_ms = [
            took
            for person, found in zip(people, browsed, strict=True)
            for took in found
            if person.role is Role.TRAINER
        ]
        each = len(pages_ms)
        return [
            Figure("first page of each, one after the other", "ms", first_ms, ""),
            Figure("all 200 in the same instant, three times", "ms", at_once_ms, ""),
            Figure(f"pages while all browse, {each / seconds:.0f} a second", "ms", pages_ms, "p95 <= 1000"),
            Figure("of them trainers' (200 recordings, the week)", "ms", trainers_ms, ""),
            Figure("the portal's own processor time, a page", "ms", [(after[0] - before[0]) / each], ""),
            Figure("the keeper's own processor time, a page", "ms", [(after[1] - before[1]) / each], ""),
            Figure("the portal's memory", "MiB", [resident_mib(portal.pid)], ""),
        ]
    finally:
        if portal is not None:
            portal.kill()
            portal.wait()
        await home.link.close()
        home.end_keeper()


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The portal's list pages under load.")
    parser.add_argument("--recordings", type=int, default=RECORDINGS, help="how many (default %(default)s)")
    parser.add_argument("--viewers", type=int, default=VIEWERS, help="at once (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of browsing (default %(default)s)")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        asyncio.run(serve_pages(chosen.serve))
        return
    inside = partial(tempfile.TemporaryDirectory, prefix="pbx-bridge-bench-")
    with inside() as folder, inside(dir=MEMORY if MEMORY.is_dir() else None) as keys:
        done = measure(Path(folder), Path(keys), chosen.recordings, chosen.viewers, chosen.seconds)
        figures: list[Any] = asyncio.run(done)
    print(table(f"{chosen.recordings} recordings, {chosen.viewers} viewers, {os.cpu_count()} cores", figures))
    print(f"\np95 of a list page: {p95(figures[2].values):.0f} ms")


if __name__ == "__main__":
    main()
