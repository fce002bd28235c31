"""The portal's API: carries people's proofs and questions to the keeper, and sealed payloads to people.

It holds no key and decides nothing: a compromised portal can refuse, but not release. What it hands out is a header
wrapped for the person who proved their key, and ciphertext. Everything from outside has a limit: bodies, addresses'
rates, connections, ranges.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights_words
from pbx_bridge.archive.keeper_wire import AccessesFound, Waiting
from pbx_bridge.archive.manifest import decode
from pbx_bridge.archive.release import Refusal
from pbx_bridge.archive.release import Refused as ReleaseRefused
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.portal.bodies import STATUS, read_as
from pbx_bridge.portal.limits import RateLimit, network
from pbx_bridge.portal.payload import Payloads, Shelf
from pbx_bridge.portal.payment import NO_PAYMENTS, Payments
from pbx_bridge.portal.rights import NOTHING_BEHIND, Behind, RightsDesk
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import KeeperUnreachable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PortalSettings:
    listen_host: str
    listen_port: int
    """0: any free one."""
    ca_cert: Path
    cert: Path
    key: Path


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

    async def review(self, token: bytes, recording: RecordingId, session: str) -> None: ...

    async def desk(self, token: bytes) -> words.ApproversDesk: ...

    async def months(self, token: bytes, text: str) -> tuple[words.Days, ...]: ...

    async def viewed(
        self, token: bytes, recording: RecordingId, parts: str, *, damaged: bool = False
    ) -> None: ...

    async def book(self, token: bytes, plan: str, *, cancel: bool) -> str: ...

    async def training(self, token: bytes) -> str: ...

    async def backlog(self) -> tuple[Waiting, ...]: ...

    async def audit(self, token: bytes, after: int) -> words.AuditPage: ...

    async def export_own(
        self, token: bytes, recording: RecordingId, files: Sequence[int]
    ) -> rights_words.Exported: ...

    async def erase_own(self, token: bytes, recording: RecordingId) -> None: ...

    async def who(self, token: bytes) -> rights_words.Visitor: ...

    async def own_accesses(self, token: bytes, before: int) -> AccessesFound: ...

    async def requests_seen(self, token: bytes) -> rights_words.RightsRequests: ...


Proposed = Callable[[], Iterable[str]]
"""The texts of the plans and capacities there are now, approved or not (training/plans.py)."""


Book = Callable[[str, words.SlotAsked], None]
"""Books or cancels the slot for the trainer of that name. Raises: words.Refused. Called in a thread."""


def no_slots(trainer: str, asked: words.SlotAsked) -> None:
    """For a portal without a catalogue. Raises: words.Refused."""
    raise words.Refused("slot", "no slots are booked here")


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
        payments: Payments = NO_PAYMENTS,
        book: Book = no_slots,
        behind: Behind = NOTHING_BEHIND,
    ) -> None:
        """`certificate`: SHA-256 of the server certificate in DER."""
        self._keeper, self._now_s, self._proposed, self._payments = keeper, monotonic_s, proposed, payments
        self.book = book
        self.payloads = Payloads(shelf, monotonic_s)
        self.rights = RightsDesk(keeper, shelf, behind)
        self._ca_pem, self.certificate = ca_pem, certificate
        self._proofs = RateLimit(burst=20, per_s=0.5)
        self._answers = RateLimit(burst=20, per_s=0.5)
        self._requests = RateLimit(burst=200, per_s=50)
        self.routes = [
            Route(words.CA_PATH, self._guarded(self._ca, self._requests), methods=["GET"]),
            Route(words.BEGIN_PATH, self._guarded(self._begin, self._proofs), methods=["POST"]),
            Route(words.PROVE_PATH, self._guarded(self._prove, self._answers), methods=["POST"]),
            Route(words.LIST_PATH, self._guarded(self._list, self._requests), methods=["GET"]),
            Route(words.PROPOSALS_PATH, self._guarded(self._proposals, self._requests), methods=["GET"]),
            Route(words.SLOTS_PATH, self._guarded(self._slots, self._requests), methods=["POST"]),
            Route(words.OPEN_PATH, self._guarded(self._open, self._requests), methods=["POST"]),
            Route(words.REVIEW_PATH, self._guarded(self._review, self._requests), methods=["POST"]),
            Route(words.AUDIT_PATH, self._guarded(self._audit, self._requests), methods=["GET"]),
            Route(words.PAYMENT_PATH, self._guarded(self._payment, self._requests), methods=["POST"]),
            *self._rights_routes(),
            Route(words.PAYLOAD_PATH, self._guarded(self._payload, self._requests), methods=["GET"]),
        ]

    def _rights_routes(self) -> list[Route]:
        """P23: what persons concerned may ask."""
        asked = (
            (rights_words.EXPORT_PATH, self._export, "POST"),
            (rights_words.ERASE_PATH, self._erase, "POST"),
            (rights_words.OWN_PATH, self._own, "GET"),
            (rights_words.REQUESTS_PATH, self._rights_requests, "GET"),
        )
        return [
            Route(path, self._guarded(handler, self._requests), methods=[method])
            for path, handler, method in asked
        ]

    def _guarded(
        self, handler: Callable[[Request], Awaitable[Response]], limit: RateLimit
    ) -> Callable[[Request], Awaitable[Response]]:
        """Rate first; every refusal and fault becomes one answer."""

        async def guarded(request: Request) -> Response:
            address = network(request.client.host if request.client else "")
            wait_s = limit.wait_s(address, self._now_s())
            if wait_s:
                no = words.Refused("too-often", f"too many requests: try again in {wait_s:.0f} s")
                return _no(no, {"Retry-After": str(int(wait_s) + 1)})
            try:
                return await handler(request)
            except words.Refused as refused:
                return _no(refused)
            except Malformed as error:
                no = words.Refused("malformed", f"malformed request: {error}")
                return _no(no, {"Connection": "close"})
            except KeeperUnreachable as error:
                log.error("portal: keeper unreachable", fault=str(error))
                return _no(
                    words.Refused(
                        "keeper", "the keeper does not answer: try again, or tell the administrator"
                    )
                )

        return guarded

    async def _ca(self, request: Request) -> Response:
        return Response(self._ca_pem, media_type="application/x-pem-file")

    async def _begin(self, request: Request) -> Response:
        asked = await read_as(request, words.BeginAsked)
        return _ok(
            await self._keeper.begin(
                asked.recipient, asked.client_nonce, self.certificate, asked.code, asked.act
            )
        )

    async def _prove(self, request: Request) -> Response:
        asked = await read_as(request, words.Prove)
        return _ok(await self._keeper.prove(asked.challenge, asked.answer))

    async def _list(self, request: Request) -> Response:
        return _ok(words.Items(await self._keeper.recordings(_token(request))))

    async def _proposals(self, request: Request) -> Response:
        """What waits for this approver. The digest that counts is taken of the text by the approver's machine."""
        token = _token(request)
        desk = await self._keeper.desk(token)
        texts = tuple(text for text in self._proposed() if not _settled(text, desk))[: words.MAX_PROPOSED]
        days = [one for text in texts for one in await self._keeper.months(token, text)]
        return _ok(words.Proposals(texts, tuple(days), desk.keys))

    async def _audit(self, request: Request) -> Response:
        token, after = _token(request), request.path_params["after"]
        if not re.fullmatch("[0-9]{1,18}", after):
            raise Malformed("after: a record's number is needed")
        return _ok(await self._keeper.audit(token, int(after)))

    async def _slots(self, request: Request) -> Response:
        """P11: a trainer books a slot of a plan that is theirs."""
        token = _token(request)
        asked = await read_as(request, words.SlotAsked)
        trainer = await self._keeper.book(token, asked.plan, cancel=asked.cancel)
        await asyncio.to_thread(self.book, trainer, asked)
        return _ok(words.Done())

    async def _payload(self, request: Request) -> Response:
        asked = request.headers.get("range")
        return self.payloads.serve(request.path_params["grant"], _token(request), asked)

    async def _export(self, request: Request) -> Response:
        return await self.rights.export(_token(request), _named(request))

    async def _erase(self, request: Request) -> Response:
        await self.rights.erase(_token(request), _named(request))
        return _ok(rights_words.Erased())

    async def _own(self, request: Request) -> Response:
        return _ok(await self.rights.own(_token(request)))

    async def _rights_requests(self, request: Request) -> Response:
        return _ok(await self._keeper.requests_seen(_token(request)))

    async def _review(self, request: Request) -> Response:
        token = _token(request)
        asked = await read_as(request, words.ReviewAsked)
        await self._keeper.review(token, _named(request), asked.session)
        return _ok(words.Reviewed())

    async def _payment(self, request: Request) -> Response:
        """P7: by a token that is good for nothing else."""
        token = _token(request)
        return _ok(self._payments.asked(token, await read_as(request, words.PaymentAsked)))

    async def _open(self, request: Request) -> Response:
        token = _token(request)
        asked = await read_as(request, words.OpenAsked)
        return _ok(await self.opened(token, token, _named(request), asked.session))

    async def opened(self, token: bytes, holder: bytes, recording: RecordingId, session: str) -> words.Opened:
        """Asks the keeper as `token`, and gives `holder` leave to read the payload. Raises: words.Refused."""
        opened = await self._keeper.open(token, recording, session)
        manifest = decode(opened.signed.text)
        grant = self.payloads.grant(holder, manifest, opened.payload_at)
        if grant is None:
            log.error(
                "portal: sealed file missing, or not of the length that was signed", recording=recording
            )
            raise words.Refused("file", "the sealed file is missing or damaged: tell the administrator")
        return words.Opened(grant, opened.header, manifest.payload_bytes, opened.signed)


def _named(request: Request) -> RecordingId:
    """The recording of the path. Raises: words.Refused, as for a guessed one."""
    try:
        return parse_recording_id(request.path_params["recording"])
    except ValueError:
        raise words.Refused("unknown", sentence(ReleaseRefused(Refusal.UNKNOWN))) from None


def _ok(answer: Any) -> Response:
    return Response(
        words.write_body(answer), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _settled(text: str, desk: words.ApproversDesk) -> bool:
    """Whether this text needs no word of this approver: approved already, or a plan that names another one."""
    if hashlib.sha256(text.encode()).hexdigest() in desk.approved:
        return True
    named = [line for line in text.splitlines() if line.startswith("approver: ")]
    return bool(named) and named != [f"approver: {json.dumps(desk.name)}"]


def _no(refused: words.Refused, headers: dict[str, str] | None = None) -> Response:
    status = STATUS.get(refused.word, 403)
    return Response(words.write_refusal(refused), status, headers, media_type="application/json")


def _token(request: Request) -> bytes:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not re.fullmatch("[0-9a-f]{64}", text):
        raise words.Refused("visit-ended", "say who you are first")
    return bytes.fromhex(text)


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
    payments: Payments = NO_PAYMENTS,
    book: Book = no_slots,
    behind: Behind = NOTHING_BEHIND,
) -> Api:
    """The API over this archive. Raises: OSError, ValueError when the certificates cannot be read."""
    certificate = certificate_digest(settings.cert.read_bytes())
    ca_pem = settings.ca_cert.read_bytes()
    return Api(keeper, shelf, ca_pem, certificate, time.monotonic, proposed, payments, book, behind)
