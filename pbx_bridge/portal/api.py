"""The portal's API: carries people's proofs and questions to the keeper, and sealed payloads to people.

It holds no key and decides nothing: a compromised portal can refuse, but not release. What it hands out is a header
wrapped for the person who proved their key, and ciphertext. Everything from outside has a limit: bodies, addresses'
rates, connections, ranges.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_notes
from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights_words
from pbx_bridge.archive.audit_wire import AccessesFound, For
from pbx_bridge.archive.manifest import decode
from pbx_bridge.archive.office_wire import Week
from pbx_bridge.archive.release import Refusal
from pbx_bridge.archive.release import Refused as ReleaseRefused
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.portal import openapi
from pbx_bridge.portal.auditing import Auditing
from pbx_bridge.portal.desks import Book, Proposed, TrainersDesk, no_slots
from pbx_bridge.portal.given import Given
from pbx_bridge.portal.guard import JSON, Ask, Handler, Programs, Unfit, route
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.office import Office
from pbx_bridge.portal.operations import OPERATIONS
from pbx_bridge.portal.payload import Payloads, Shelf, damaged, grant_ended
from pbx_bridge.portal.payment import NO_PAYMENTS, Payments
from pbx_bridge.portal.proofs import Proofs
from pbx_bridge.portal.reporting import Reporting
from pbx_bridge.portal.rights import NOTHING_BEHIND, Behind, RightsDesk
from pbx_bridge.portal.tokens import NO_TOKENS, Tokens
from pbx_bridge.portal.told import report_words
from pbx_bridge.portal.viewing import Viewing, Viewings
from pbx_bridge.portal.week import week_words
from pbx_bridge.wire_audit import AuditLook, Looked
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_office import Retained, TurnedDown, Weighed
from pbx_bridge.wire_portal import Broke, KeeperUnreachable
from pbx_bridge.wire_program import AuditCheckpoint, Health
from pbx_bridge.wire_report import ReportTold
from pbx_bridge.wire_week import NoticeInForce, TrainersWeek

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PortalSettings:
    listen_host: str
    listen_port: int
    """0: any free one."""
    ca_cert: Path
    cert: Path
    key: Path
    given: Given | None = None
    """What browsers get instead."""
    names: tuple[str, ...] = ()
    """By which they reach the portal."""


class Keeper(Protocol):
    """The questions that are carried on. Raises: words.Refused, KeeperUnreachable."""

    async def begin(
        self,
        recipient: str,
        client_nonce: bytes,
        certificate: bytes,
        code: bytes | None = None,
        act: words.Act | None = None,
    ) -> words.Begun: ...

    async def prove(self, challenge: bytes, answer: bytes) -> words.Proven: ...

    async def recordings(self, token: bytes) -> tuple[words.Item, ...]: ...

    async def open(self, token: bytes, recording: RecordingId, session: str) -> words.Released: ...

    async def fetch(self, token: bytes, recording: RecordingId, session: str) -> words.Released: ...

    async def review(self, token: bytes, recording: RecordingId, session: str) -> None: ...

    async def desk(self, token: bytes) -> words.ApproversDesk: ...

    async def months(self, token: bytes, text: str) -> tuple[words.Days, ...]: ...

    async def weigh(self, token: bytes, text: str) -> Weighed: ...

    async def turned_down(self) -> tuple[TurnedDown, ...]: ...

    async def viewed(
        self, token: bytes, recording: RecordingId, parts: str, *, broke: Broke | None = None
    ) -> None: ...

    async def notes(self, token: bytes, recording: RecordingId) -> wire_notes.Notes: ...

    async def write_note(self, token: bytes, recording: RecordingId, session: str, sealed: str) -> None: ...

    async def erase_note(self, token: bytes, recording: RecordingId, note: str) -> None: ...

    async def book(self, token: bytes, plan: str, *, cancel: bool) -> str: ...

    async def training(self, token: bytes) -> Week: ...

    async def audit(self, token: bytes, after: int, purpose: For = For.COPY) -> words.AuditPage: ...

    async def audit_look(self, token: bytes, wanted: Looked) -> AuditLook: ...

    async def retained(self, token: bytes) -> Retained: ...

    async def export_own(
        self, token: bytes, recording: RecordingId, files: Sequence[int]
    ) -> rights_words.Exported: ...

    async def erase_own(self, token: bytes, recording: RecordingId) -> None: ...

    async def who(self, token: bytes) -> rights_words.Visitor: ...

    async def open_own(self, token: bytes, right: rights_words.Right) -> rights_words.RightsRequest: ...

    async def own_accesses(self, token: bytes, before: int) -> AccessesFound: ...

    async def requests_seen(self, token: bytes) -> rights_words.RightsRequests: ...

    async def audit_fault(self) -> str: ...

    async def checkpoint(self) -> AuditCheckpoint: ...


class Api:
    """The handlers; `routes` is what the server serves."""

    def __init__(
        self,
        keeper: Keeper,
        shelf: Shelf,
        ca_pem: bytes,
        certificate: bytes,
        monotonic_s: Callable[[], float],
        proposed: Proposed,
        tokens: Tokens = NO_TOKENS,
        payments: Payments = NO_PAYMENTS,
        book: Book = no_slots,
        behind: Behind = NOTHING_BEHIND,
    ) -> None:
        """`certificate`: SHA-256 of the server certificate in DER."""
        self._keeper, self._payments, self._frozen = keeper, payments, behind.frozen
        self.office = Office(keeper, proposed)
        self.auditing = Auditing(keeper)
        self.reporting = Reporting(keeper, behind.reported)
        self.payloads = Payloads(shelf, monotonic_s)
        self.viewings, self._proofs = Viewings(keeper, self.payloads.end), Proofs()
        self.rights = RightsDesk(keeper, shelf, behind)
        self.trainers = TrainersDesk(keeper, behind.trained, book)
        self._ca_pem, self.certificate = ca_pem, certificate
        self._document = openapi.write(OPERATIONS)
        proofs, answers = RateLimit(burst=20, per_s=0.5), RateLimit(burst=20, per_s=0.5)
        requests, programs = RateLimit(burst=200, per_s=50), Programs(tokens, monotonic_s)
        limits = {"begin": proofs, "prove": answers}
        handlers: dict[str, Handler] = {
            "openapi": self._openapi,
            "begin": self._begin,
            "prove": self._prove,
            "list": self._list,
            "open": self._open,
            "fetch": self._fetch,
            "payload": self._payload,
            "left": self._left,
            "review": self._review,
            "export": self._export,
            "erase": self._erase,
            "own": self._own,
            "notice": self._notice,
            "requests": self._rights_requests,
            "request": self._request,
            "notes": self._notes,
            "write-note": self._write_note,
            "erase-note": self._erase_note,
            "week": self._week,
            "slots": self._slots,
            "proposals": self._proposals,
            "weigh": self._weigh,
            "report": self._report,
            "audit-look": self._audit_look,
            "audit": self._audit,
            "payment": self._payment,
            "health": self._health,
            "audit-checkpoint": self._checkpoint,
        }
        self.routes = [
            Route(words.CA_PATH, self._ca, methods=["GET"]),
            *(
                route(one, handlers[one.name], limits.get(one.name, requests), programs, monotonic_s)
                for one in OPERATIONS
            ),
        ]

    async def _ca(self, request: Request) -> Response:
        return Response(self._ca_pem, media_type="application/x-pem-file")

    async def _openapi(self, ask: Ask) -> Response:
        return Response(self._document, media_type=JSON, headers={"Cache-Control": "no-cache"})

    async def _begin(self, ask: Ask) -> words.Begun:
        asked: words.BeginAsked = ask.body
        begun = await self._keeper.begin(
            asked.recipient, asked.client_nonce, self.certificate, asked.code, asked.act
        )
        await self.office.check_current(asked.act)  # who has no key here does not learn what is proposed
        self._proofs.begun(begun.challenge, asked.recipient)
        return begun

    async def _prove(self, ask: Ask) -> words.Proven:
        proven = await self._keeper.prove(ask.body.challenge, ask.body.answer)
        self._proofs.proven(ask.body.challenge, proven.token)
        return proven

    async def _list(self, ask: Ask) -> words.Items:
        return words.Items(await self._keeper.recordings(ask.token))

    async def _proposals(self, ask: Ask) -> words.Proposals:
        return await self.office.proposals(ask.token)

    async def _weigh(self, ask: Ask) -> Weighed:
        return (await self.office.proposal(ask.token, ask.body.digest))[1]

    async def _report(self, ask: Ask) -> ReportTold:
        return report_words(await self.reporting.monthly(ask.token, "en"))

    async def _audit_look(self, ask: Ask) -> AuditLook:
        return await self.auditing.look(ask.token, ask.body)

    async def _audit(self, ask: Ask) -> words.AuditPage:
        after = ask.request.path_params["after"]
        if not re.fullmatch("[0-9]{1,18}", after):
            raise Unfit("malformed", "path", "the number of a record is needed, 0 for the first")
        return await self._keeper.audit(ask.token, int(after))

    async def _week(self, ask: Ask) -> TrainersWeek:
        return week_words(await self.trainers.week(ask.token))

    async def _slots(self, ask: Ask) -> words.Done:
        await self.trainers.slot(ask.token, ask.body)
        return words.Done()

    async def _payload(self, ask: Ask) -> Response:
        asked, grant = ask.request.headers.get("range"), ask.request.path_params["grant"]
        viewing = self.viewings.find(grant)
        try:
            answer = self.payloads.serve(grant, ask.token, asked, counted=viewing is not None)
        except Malformed as error:
            raise Unfit("malformed", "Range", str(error)) from None
        except words.Refused as refused:
            if refused.word != "visit-ended" and viewing is not None and viewing.holder == ask.token:
                await self.viewings.tell(viewing, Broke.DAMAGED)
            raise
        if viewing is not None:
            self.viewings.gave(viewing, asked, ask.token)
        return answer

    async def _left(self, ask: Ask) -> words.Done:
        """P19: what is untold is told now."""
        viewing = self.viewings.find(ask.request.path_params["grant"])
        if viewing is None or viewing.holder != ask.token:
            raise grant_ended()
        await self.viewings.tell(viewing, ask.body.broke)
        return words.Done()

    async def _export(self, ask: Ask) -> Response:
        return await self.rights.export(ask.token, _named(ask))

    async def _erase(self, ask: Ask) -> rights_words.Erased:
        await self.rights.erase(ask.token, _named(ask))
        return rights_words.Erased()

    async def _own(self, ask: Ask) -> rights_words.Own:
        return await self.rights.own(ask.token)

    async def _notice(self, ask: Ask) -> NoticeInForce:
        language = ask.request.path_params["language"]
        if language not in ("en", "fr"):
            raise Unfit("malformed", "path", "the language is en or fr")
        told = await self.rights.told(ask.token, language)
        return NoticeInForce(told.text, told.notice) if told is not None else NoticeInForce("", "")

    async def _rights_requests(self, ask: Ask) -> rights_words.RightsRequests:
        return await self._keeper.requests_seen(ask.token)

    async def _request(self, ask: Ask) -> rights_words.RightsRequest:
        return await self.rights.ask(ask.token, ask.body.right)

    async def _notes(self, ask: Ask) -> wire_notes.Notes:
        return await self._keeper.notes(ask.token, _named(ask))

    async def _write_note(self, ask: Ask) -> words.Done:
        asked: wire_notes.NoteAsked = ask.body
        await self._keeper.write_note(ask.token, _named(ask), asked.session, asked.sealed)
        return words.Done()

    async def _erase_note(self, ask: Ask) -> words.Done:
        await self._keeper.erase_note(ask.token, _named(ask), ask.request.path_params["note"])
        return words.Done()

    async def _review(self, ask: Ask) -> words.Reviewed:
        await self._keeper.review(ask.token, _named(ask), ask.body.session)
        return words.Reviewed()

    async def _payment(self, ask: Ask) -> words.PaymentNoted:
        """P7: by a token that was made for it."""
        assert ask.held is not None
        return self._payments.asked(ask.held, ask.body)

    async def _health(self, ask: Ask) -> Health:
        """Whether a call could be recorded now; nothing of any that was."""
        frozen = tuple(sorted(self._frozen()))
        pbx, clock = Reason.LINK_LOST.value not in frozen, Reason.CLOCK.value not in frozen
        try:
            keeper, audit = True, not await self._keeper.audit_fault()
        except KeeperUnreachable:
            keeper = audit = False
        return Health(keeper, pbx, clock, audit, frozen)

    async def _checkpoint(self, ask: Ask) -> AuditCheckpoint:
        return await self._keeper.checkpoint()

    async def _open(self, ask: Ask) -> words.Opened:
        """P19: opened to be watched, by a program."""
        recording = _named(ask)
        opened = await self.opened(ask.token, ask.token, recording, ask.body.session)
        anew = self._proofs.anew(ask.token)
        viewing = Viewing(ask.token, recording, opened.payload_bytes, ask.token, anew)
        self.viewings.opened(opened.grant.hex(), viewing)
        return opened

    async def _fetch(self, ask: Ask) -> words.Opened:
        return await self.opened(ask.token, ask.token, _named(ask), ask.body.session, fetch=True)

    async def opened(
        self, token: bytes, holder: bytes, recording: RecordingId, session: str, *, fetch: bool = False
    ) -> words.Opened:
        """Asks the keeper as `token`, and gives `holder` leave to read the payload. Raises: words.Refused."""
        asked = self._keeper.fetch if fetch else self._keeper.open
        opened = await asked(token, recording, session)
        manifest = decode(opened.signed.text)
        grant = self.payloads.grant(holder, manifest, opened.payload_at, whole=fetch)
        if grant is None:
            raise await self._missing(token, recording)
        return words.Opened(grant, opened.header, manifest.payload_bytes, opened.signed)

    async def fetched(self, token: bytes, recording: RecordingId, session: str) -> Response:
        """The whole sealed file for the key of `token`. Raises: words.Refused."""
        released = await self._keeper.fetch(token, recording, session)
        header = bytes.fromhex(released.header)
        answer = self.payloads.whole(decode(released.signed.text), header, released.payload_at)
        if answer is None:
            raise await self._missing(token, recording)
        return answer

    async def _missing(self, token: bytes, recording: RecordingId) -> words.Refused:
        """P19: the log says "opened" by now, and that nothing of it came. Raises: words.Refused."""
        log.error("portal: sealed file missing, or not of the length that was signed", recording=recording)
        await self._keeper.viewed(token, recording, "", broke=Broke.DAMAGED)
        return damaged()


def _named(ask: Ask) -> RecordingId:
    """The recording of the path. Raises: words.Refused, as for a guessed one."""
    try:
        return parse_recording_id(ask.request.path_params["recording"])
    except ValueError:
        raise words.Refused("unknown", sentence(ReleaseRefused(Refusal.UNKNOWN))) from None


def certificate_digest(pem: bytes) -> bytes:
    """SHA-256 of the first certificate in `pem`, in DER: what a client sees of this server."""
    text = pem.decode("ascii")
    end = "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)].strip())).digest()


def make_api(
    settings: PortalSettings,
    keeper: Keeper,
    shelf: Shelf,
    proposed: Proposed,
    tokens: Tokens = NO_TOKENS,
    payments: Payments = NO_PAYMENTS,
    book: Book = no_slots,
    behind: Behind = NOTHING_BEHIND,
) -> Api:
    """The API over this archive. Raises: OSError, ValueError when the certificates cannot be read."""
    certificate = certificate_digest(settings.cert.read_bytes())
    ca_pem = settings.ca_cert.read_bytes()
    return Api(keeper, shelf, ca_pem, certificate, time.monotonic, proposed, tokens, payments, book, behind)
