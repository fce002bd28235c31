"""The bridge's side of the keeper's socket: one method per request, each with a deadline.

It knows the form of question and answer, nothing of what is kept. A broken connection is made anew at the next question; a
question is never asked twice by itself.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from pbx_bridge import wire_notes
from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights
from pbx_bridge.age import X25519Identity, X25519Recipient, seal_bytes
from pbx_bridge.archive import (
    audit_wire,
    office_wire,
    opening_wire,
    recording_wire,
    retention_wire,
    rights_wire,
)
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive.keeper_server import peer_uid
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_audit import AuditLook, Looked
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_office import AllTurnedDown, Retained, TurnedDown, Weighed
from pbx_bridge.wire_portal import KeeperUnreachable, Role, SignedManifest
from pbx_bridge.wire_program import AuditCheckpoint

T = TypeVar("T")

ANSWER_WITHIN_S: Final = 10.0
"""The slowest answer waits for two fsyncs on a busy disk."""
PURGE_WITHIN_S: Final = 120.0
"""Twenty destructions, of some ten syncs each, on a very slow disk; and reading the folder for the count."""
RECOVER_WITHIN_S: Final = 600.0
"""A recording of an hour is read once and sealed once: some 10 s on a slow disk."""
_RETRY_S: Final = 0.02


class KeeperLink:
    """One connection; questions wait for each other. Refusals come as `wire_portal.Refused`."""

    def __init__(self, path: Path, *, keeper_uid: int | None = None) -> None:
        """`keeper_uid`: who must be at the other end; None where keeper and bridge are one user."""
        self._path, self._uid = path, keeper_uid
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._keeper: X25519Recipient | None = None

    async def __aenter__(self) -> KeeperLink:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def wait_ready(self, within_s: float) -> None:
        """Returns once the keeper answers. Raises: KeeperUnreachable after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with suppress(KeeperUnreachable):
                        await self.status()
                        return
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            raise KeeperUnreachable(
                f"{self._path}: the keeper did not start within {within_s:.0f} s"
            ) from None

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()

    # recorder

    async def introduce(self, recorder: bytes) -> X25519Recipient:
        """Shows the recorder's public signing key; gives the keeper's recipient."""
        facts = await self._ask(recording_wire.Introduce(recorder), recording_wire.KeeperFacts)
        self._keeper = X25519Recipient.parse(facts.recipient)
        return self._keeper

    async def put(self, signed: SignedManifest, identity: X25519Identity) -> None:
        """A recording begins: its identity goes to the keeper, sealed; the caller forgets it. The keeper's own identity
        changes each month (P20): refused for that, the key is sealed again to the new one."""
        try:
            await self._put(signed, identity, self._keeper or await self.introduce(signed.recorder))
        except words.Refused as refused:
            if refused.word != recording_wire.IDENTITY_CHANGED:
                raise
            await self._put(signed, identity, await self.introduce(signed.recorder))

    async def _put(self, signed: SignedManifest, identity: X25519Identity, keeper: X25519Recipient) -> None:
        sealed = seal_bytes(str(identity).encode(), [keeper])
        await self._ask(recording_wire.Put(signed, sealed.hex()), wire.Done)

    async def finish(self, signed: SignedManifest, header: bytes) -> None:
        await self._ask(recording_wire.Finish(signed, header.hex()), wire.Done)

    async def destroy(self, recording: RecordingId, reason: str) -> None:
        """Destroys the key, first thing; `reason` is a word of the ledger's closed list."""
        await self._ask(recording_wire.Destroy(recording, reason), wire.Done)

    async def purge(self, *, dry_run: bool = False, by_hand: bool = False) -> retention_wire.Purged:
        """P20: destroys the keys of what has ended; the caller removes the files, and asks again while there is more."""
        return await self._ask(retention_wire.Purge(dry_run, by_hand), retention_wire.Purged, PURGE_WITHIN_S)

    async def pulse(self, seen_at: int = 0) -> retention_wire.Beat:
        """P20: whether the clock is in doubt; `seen_at`: when this bridge last ran."""
        return await self._ask(retention_wire.Pulse(seen_at), retention_wire.Beat)

    async def ended(self, since: int) -> tuple[retention_wire.End, ...]:
        """What was destroyed since then, other than by time."""
        return (await self._ask(retention_wire.Ended(since), retention_wire.AllEnded)).ended

    async def confirm_clock(self) -> None:
        """P20: a person compared the clock with another one."""
        await self._ask(retention_wire.ConfirmClock(), wire.Done)

    async def reconcile(self) -> retention_wire.Reconciled:
        return await self._ask(retention_wire.Reconcile(), retention_wire.Reconciled, PURGE_WITHIN_S)

    async def standing(self, recordings: Sequence[RecordingId]) -> tuple[retention_wire.Stands, ...]:
        """How at most MAX_ASKED recordings stand, in their order."""
        return (await self._ask(retention_wire.Ask(tuple(recordings)), retention_wire.Standing)).stands

    async def held(self) -> frozenset[RecordingId]:
        """Every finished recording whose key exists."""
        found: set[RecordingId] = set()
        after = ""
        while page := (await self._ask(retention_wire.Held(after), retention_wire.AllHeld)).recordings:
            found.update(page)
            after = page[-1]
        return frozenset(found)

    async def recover(
        self, recording: RecordingId, left: recording_wire.Left, files: Sequence[int]
    ) -> recording_wire.Rebuilt:
        """The keeper makes a whole file of the open `files` (see `Left`). On a connection of its own: it takes time."""
        request = recording_wire.Recover(recording, left)
        return await asyncio.to_thread(self._with_files, request, files, recording_wire.Rebuilt)

    def _with_files(self, request: Any, files: Sequence[int], kind: type[T]) -> T:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(RECOVER_WITHIN_S)
                connection.connect(str(self._path))
                self._check(connection)
                line = wire.write_request(request)
                sent = socket.send_fds(connection, [line], list(files))
                connection.sendall(line[sent:])
                with connection.makefile("rb") as answers:
                    return wire.read_answer(answers.readline(words.MAX_ANSWER_BYTES), kind)
        except (OSError, Malformed) as error:
            raise KeeperUnreachable(f"{self._path}: the keeper cannot be asked: {error}") from error

    async def hand_over(self, recording: RecordingId, trainee: str, signature: bytes | None = None) -> None:
        await self._ask(recording_wire.HandOver(recording, trainee, signature), wire.Done)

    async def trainees_own(self, trainee: str) -> tuple[words.Item, ...]:
        return (await self._ask(recording_wire.TraineesOwn(trainee), words.Items)).items

    async def backlog(self) -> tuple[opening_wire.Waiting, ...]:
        """P15: what waits for its review."""
        return (await self._ask(opening_wire.Backlog(), opening_wire.AllWaiting)).waiting

    async def approvals(self) -> frozenset[str]:
        """Digests of the plans and capacities that are approved now."""
        return frozenset((await self._ask(office_wire.Approvals(), office_wire.Approved)).digests)

    async def approved_plans(self) -> tuple[office_wire.ApprovedPlan, ...]:
        """The plans that are approved now."""
        return (await self._ask(office_wire.PlansApproved(), office_wire.ApprovedPlans)).plans

    async def end_plan(self, digest: str) -> None:
        """A plan was ended before its last day: its approval covers nothing that begins from now on."""
        await self._ask(office_wire.EndPlan(digest), wire.Done)

    async def audit_fault(self) -> str:
        """P19: why the next access cannot be recorded, "" when it can."""
        return (await self._ask(audit_wire.Writable(), audit_wire.WritableNow)).fault

    async def status(self) -> wire.KeeperStatus:
        return await self._ask(wire.Status(), wire.KeeperStatus)

    # portal

    async def begin(
        self,
        recipient: str,
        client_nonce: bytes,
        certificate: bytes,
        code: bytes | None = None,
        act: words.Act | None = None,
    ) -> words.Begun:
        return await self._ask(
            opening_wire.Begin(recipient, client_nonce, certificate, code, act), words.Begun
        )

    async def prove(self, challenge: bytes, answer: bytes) -> words.Proven:
        return await self._ask(words.Prove(challenge, answer), words.Proven)

    async def recordings(self, token: bytes) -> tuple[words.Item, ...]:
        return (await self._ask(opening_wire.List(token), words.Items)).items

    async def open(self, token: bytes, recording: RecordingId, session: str) -> words.Released:
        return await self._ask(opening_wire.Open(token, recording, session), words.Released)

    async def fetch(self, token: bytes, recording: RecordingId, session: str) -> words.Released:
        """As `open`, for the whole sealed file."""
        return await self._ask(opening_wire.Open(token, recording, session, fetch=True), words.Released)

    async def review(self, token: bytes, recording: RecordingId, session: str) -> None:
        await self._ask(opening_wire.Review(token, recording, session), wire.Done)

    async def viewed(
        self, token: bytes, recording: RecordingId, parts: str, *, broke: words.Broke | None = None
    ) -> None:
        """P19: which parts went to the asker."""
        await self._ask(opening_wire.Viewed(token, recording, parts, broke), wire.Done)

    async def notes(self, token: bytes, recording: RecordingId) -> wire_notes.Notes:
        return await self._ask(wire_notes.ReadNotes(token, recording), wire_notes.Notes)

    async def write_note(self, token: bytes, recording: RecordingId, session: str, sealed: str) -> None:
        await self._ask(wire_notes.WriteNote(token, recording, session, sealed), wire.Done)

    async def erase_note(self, token: bytes, recording: RecordingId, note: str) -> None:
        await self._ask(wire_notes.EraseNote(token, recording, note), wire.Done)

    async def book(self, token: bytes, plan: str, *, cancel: bool) -> str:
        """The trainer who visits and wants a slot of this plan."""
        return (await self._ask(office_wire.Book(token, plan, cancel), office_wire.Booker)).trainer

    async def training(self, token: bytes) -> office_wire.Week:
        """The trainer who visits and looks at their week, and what waits for them."""
        return await self._ask(office_wire.Training(token), office_wire.Week)

    async def desk(self, token: bytes) -> words.ApproversDesk:
        return await self._ask(office_wire.Desk(token), words.ApproversDesk)

    async def months(self, token: bytes, text: str) -> tuple[words.Days, ...]:
        """P13: the days a plan's trainee has of 24 months, before it and with it."""
        return (await self._ask(office_wire.Months(token, text), words.Months)).days

    async def weigh(self, token: bytes, text: str) -> Weighed:
        """P13: a trainee's history, what is in force, and whether this approver can approve it."""
        return await self._ask(office_wire.Weigh(token, text), Weighed)

    async def retained(self, token: bytes) -> Retained:
        """P20, P23: what became of each month's recordings, for an approver or auditor."""
        return await self._ask(office_wire.SeeRetained(token), Retained)

    async def turned_down(self) -> tuple[TurnedDown, ...]:
        """Which proposals were refused, and why."""
        return (await self._ask(office_wire.SeeTurnedDown(), AllTurnedDown)).refused

    async def audit(
        self, token: bytes, after: int, purpose: audit_wire.For = audit_wire.For.COPY
    ) -> words.AuditPage:
        return await self._ask(audit_wire.Audit(token, after, purpose), words.AuditPage)

    async def audit_look(self, token: bytes, wanted: Looked) -> AuditLook:
        """P19: some records, by time and kind, for the auditor."""
        return await self._ask(audit_wire.AuditLooked(token, wanted), AuditLook)

    async def checkpoint(self) -> AuditCheckpoint:
        """P19: the audit log's newest checkpoint."""
        return await self._ask(audit_wire.Checkpoint(), AuditCheckpoint)

    async def accesses(self, trainee: str, before: int = 0) -> audit_wire.AccessesFound:
        """P19: who opened, or tried to open, what is this trainee's; newest first, older than `before`."""
        return await self._ask(audit_wire.Accesses(trainee, before), audit_wire.AccessesFound)

    # rights of persons concerned

    async def export_own(self, token: bytes, recording: RecordingId, files: Sequence[int]) -> rights.Exported:
        """A trainee's copy, from and into the open `files`: the sealed recording, a new one. It takes seconds."""
        request = rights_wire.ExportOwn(token, recording)
        return await asyncio.to_thread(self._with_files, request, files, rights.Exported)

    async def export_requested(
        self, request: str, recording: RecordingId, files: Sequence[int]
    ) -> rights.Exported:
        """A copy for an open request, as above."""
        asked = rights_wire.ExportRequested(request, recording)
        return await asyncio.to_thread(self._with_files, asked, files, rights.Exported)

    async def erase_own(self, token: bytes, recording: RecordingId) -> None:
        await self._ask(rights_wire.EraseOwn(token, recording), wire.Done)

    async def open_own(self, token: bytes, right: rights.Right) -> rights.RightsRequest:
        """P23: the trainee who visits asks for a copy, or objects."""
        return await self._ask(rights_wire.OpenOwn(token, right), rights.RightsRequest)

    async def who(self, token: bytes) -> rights.Visitor:
        return await self._ask(rights_wire.Who(token), rights.Visitor)

    async def own_accesses(self, token: bytes, before: int) -> audit_wire.AccessesFound:
        return await self._ask(rights_wire.OwnAccesses(token, before), audit_wire.AccessesFound)

    async def requests_seen(self, token: bytes) -> rights.RightsRequests:
        return await self._ask(rights_wire.SeeRequests(token), rights.RightsRequests)

    async def open_request(self, asked: rights_wire.OpenRequest) -> rights.RightsRequest:
        return await self._ask(asked, rights.RightsRequest)

    async def all_requests(self) -> tuple[rights.RightsRequest, ...]:
        return (await self._ask(rights_wire.AllRequests(), rights.RightsRequests)).requests

    async def extend_request(self, request: str) -> rights.RightsRequest:
        return await self._ask(rights_wire.ExtendRequest(request), rights.RightsRequest)

    async def close_request(self, request: str, closing: rights.Closing) -> rights.RightsRequest:
        return await self._ask(rights_wire.CloseRequest(request, closing), rights.RightsRequest)

    # administrator

    async def accesses_of(self, trainee: str, before: int = 0) -> audit_wire.AccessesFound:
        """P23: the same, asked by the administrator."""
        return await self._ask(audit_wire.AccessesOf(trainee, before), audit_wire.AccessesFound)

    async def invite(self, name: str, *roles: Role) -> office_wire.Invited:
        """A one-time code for a person with these roles; a trainer's without any."""
        return await self._ask(office_wire.Invite(name, roles or (Role.TRAINER,)), office_wire.Invited)

    async def token_changed(self, name: str, purpose: str, *, made: bool) -> None:
        """P19: notes that a program's token is made or removed."""
        await self._ask(audit_wire.TokenChanged(name, purpose, made), wire.Done)

    async def everyone(self) -> tuple[office_wire.KnownPerson, ...]:
        return (await self._ask(office_wire.Everyone(), office_wire.People)).people

    async def revoke(self, name: str) -> None:
        await self._ask(office_wire.Revoke(name), wire.Done)

    async def _ask(self, request: Any, kind: type[T], within_s: float = ANSWER_WITHIN_S) -> T:
        try:
            asked = wire.write_request(request)
        except Malformed as error:  # whoever asks wrote it so: the keeper is not at fault
            raise words.Refused("malformed", str(error)) from None
        async with self._turn:
            try:
                async with asyncio.timeout(within_s):
                    reader, writer = await self._connection()
                    writer.write(asked)
                    await writer.drain()
                    line = await reader.readline()
                if not line.endswith(b"\n"):
                    raise KeeperUnreachable(f"{self._path}: the keeper closed the connection")
                return wire.read_answer(line, kind)
            except words.Refused:
                raise
            except (OSError, TimeoutError, ValueError, Malformed) as error:
                await self.close()
                what = str(error) or "no answer in time"
                raise KeeperUnreachable(f"{self._path}: the keeper cannot be asked: {what}") from error
            except BaseException:
                # Also a cancellation: the answer to this question must not become the next one's.
                await self.close()
                raise

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            streams = await asyncio.open_unix_connection(str(self._path), limit=words.MAX_ANSWER_BYTES)
            try:
                self._check(streams[1].get_extra_info("socket"))
            except KeeperUnreachable:
                streams[1].close()
                raise
            self._streams = streams
        return self._streams

    def _check(self, connection: socket.socket) -> None:
        found = peer_uid(connection)
        if self._uid is not None and found != self._uid:
            what = f"user {found} answers there, not the keeper's user {self._uid}"
            raise KeeperUnreachable(f"{self._path}: {what}")
