"""The bridge as a person's machine sees it: HTTPS with the pinned CA, a proof at the start, then questions.

Standard library only. It believes the bridge's CA and nothing else; it answers a challenge only for the certificate it
sees itself. It never decides who may open what.
"""

from __future__ import annotations

import hashlib
import http.client
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights
from pbx_bridge.access.proof import ProofError, answer
from pbx_bridge.age import X25519Identity
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed, read_object
from pbx_bridge.wire_portal import Begun, Item, Items, Prove, Proven, Purpose, Refused
from pbx_bridge.wire_problem import read_problem

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
LEFT_WITHIN_S: Final = 5.0
"""A person waits for it at the end, and the bridge knows without it."""
MAX_CA_BYTES: Final = 16 * 1024
READ_BYTES: Final = 256 * 1024


class BridgeError(Exception):
    """The bridge cannot be asked, or is not the one this machine joined. The sentence is for the person."""


def split(url: str) -> tuple[str, int]:
    """Host and port of `https://host[:port]`. Raises: OperatorError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (
        parts.scheme != "https"
        or not parts.hostname
        or port == -1
        or parts.path not in ("", "/")
        or parts.query
    ):
        raise OperatorError("the bridge's address is written https://host:port", where=url[:200])
    return parts.hostname, port or 443


def pinned_ca(url: str, fingerprint: bytes) -> str:
    """The CA certificate (PEM) with this SHA-256, as the bridge shows it. Raises: BridgeError when it shows another.

    The connection is not trusted and says nothing: the fingerprint came with the code, by another way.
    """
    host, port = split(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opened = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    with closing(opened) as connection, _faults(url):
        connection.request("GET", words.CA_PATH)
        pem = connection.getresponse().read(MAX_CA_BYTES)
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        raise BridgeError(f"{url}: this is no pbx-bridge portal: it shows no CA certificate") from None
    if hashlib.sha256(der).digest() != fingerprint:
        raise BridgeError(
            f"{url}: this is not the bridge the code is for (another CA). Check the address; if it is right, someone "
            "may stand between: tell the administrator. The code was not sent"
        )
    return ssl.DER_cert_to_PEM_cert(der)


class _Pinned(http.client.HTTPSConnection):
    """Asks for the bridge's own certificate, whatever the site gives browsers; only the pinned CA signs that name."""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname=words.PROGRAMS_NAME)


class Bridge:
    """One connection to one bridge. As a context it closes."""

    def __init__(self, url: str, ca_pem: str, identity: X25519Identity) -> None:
        self._url, self._identity = url, identity
        host, port = split(url)
        context = ssl.create_default_context(cadata=ca_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._connection = _Pinned(host, port, timeout=TIMEOUT_S, context=context)
        self._token: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if (open_one := self._connection.sock) is not None:
            with suppress(OSError):
                # Closing waits for a thread that reads; it ends by this, whatever the bridge does.
                socket.socket.shutdown(open_one, socket.SHUT_RDWR)
        self._connection.close()

    def prove(self, code: bytes | None = None, act: words.Act | None = None) -> Proven:
        """Proves who this is; with a code: joins; with a deed: does it. Raises: Refused, BridgeError."""
        nonce = secrets.token_bytes(32)
        recipient = str(self._identity.recipient())
        begun = self._ask("POST", words.BEGIN_PATH, words.BeginAsked(recipient, nonce, code, act), Begun)
        purpose = Purpose.SESSION if code is None else Purpose.JOIN
        if act is not None:
            purpose = Purpose.ACT
        named = act.digest() if act is not None else ""
        try:
            proof = answer(
                bytes.fromhex(begun.sealed), self._identity, purpose, nonce, self._certificate(), named
            )
        except ProofError as error:
            raise BridgeError(f"{self._url}: {error}") from None
        proven = self._ask("POST", words.PROVE_PATH, Prove(begun.challenge, proof), Proven)
        self._token = proven.token
        return proven

    def proposals(self) -> words.Proposals:
        """What waits for this approver."""
        return self._visiting(lambda: self._ask("GET", words.PROPOSALS_PATH, None, words.Proposals))

    def book(self, asked: words.SlotAsked) -> None:
        """Books or cancels a trainer's slot. Raises: Refused, BridgeError."""
        self._visiting(lambda: self._ask("POST", words.SLOTS_PATH, asked, words.Done))

    def recordings(self) -> tuple[Item, ...]:
        return self._visiting(lambda: self._ask("GET", words.LIST_PATH, None, Items)).items

    def open(self, recording: RecordingId, session: str, *, fetch: bool = False) -> words.Opened:
        """`fetch`: to keep the sealed file, not to watch it (P19). Raises: Refused, BridgeError."""
        path = (words.FETCH_PATH if fetch else words.OPEN_PATH).format(recording=recording)
        return self._visiting(lambda: self._ask("POST", path, words.OpenAsked(session), words.Opened))

    def left(self, grant: bytes, broke: words.Broke | None = None) -> None:
        """P19: nothing more of what `open` gave is watched. Raises: Refused, BridgeError."""
        self._connection.timeout = LEFT_WITHIN_S
        if self._connection.sock is not None:
            self._connection.sock.settimeout(LEFT_WITHIN_S)
        self._ask("POST", words.LEFT_PATH.format(grant=grant.hex()), words.LeftAsked(broke), words.Done)

    def review(self, recording: RecordingId, session: str) -> None:
        """P15: it was discussed in this training session with the trainee."""
        path = words.REVIEW_PATH.format(recording=recording)
        self._visiting(lambda: self._ask("POST", path, words.ReviewAsked(session), words.Reviewed))

    def audit(self, after: int) -> words.AuditPage:
        """P19: the audit log after this record, for the auditor."""
        path = words.AUDIT_PATH.format(after=after)
        return self._visiting(lambda: self._ask("GET", path, None, words.AuditPage))

    def export(self, recording: RecordingId) -> bytes:
        """P23: a trainee's copy of their own, sealed to this machine's key. Raises: BridgeError when less than all comes."""
        return self._visiting(lambda: self._copy(recording))

    def _copy(self, recording: RecordingId) -> bytes:
        with _faults(self._url):
            response = self._response("POST", rights.EXPORT_PATH.format(recording=recording), b"")
            if response.status != 200:
                _refusal(response.read(words.MAX_ANSWER_BYTES), self._url)
            copy = response.read()
        if f'"{hashlib.sha256(copy).hexdigest()}"' != response.headers.get("ETag"):
            raise BridgeError(f"{self._url}: the copy did not come whole: run the same command again")
        return copy

    def erase(self, recording: RecordingId) -> None:
        """P18, P23: the trainee has their own recording destroyed."""
        path = rights.ERASE_PATH.format(recording=recording)
        self._visiting(lambda: self._ask("POST", path, None, rights.Erased))

    def own(self) -> rights.Own:
        """P23: what is kept of this trainee beside their recordings."""
        return self._visiting(lambda: self._ask("GET", rights.OWN_PATH, None, rights.Own))

    def rights_requests(self) -> tuple[rights.RightsRequest, ...]:
        """P23: those that wait for this approver, or this trainee's own."""
        path = rights.REQUESTS_PATH
        return self._visiting(lambda: self._ask("GET", path, None, rights.RightsRequests)).requests

    def payload(self, grant: bytes, start: int, end: int) -> Iterator[bytes]:
        """Bytes [start, end) of the sealed payload. Raises: BridgeError also when fewer come."""
        if start >= end:
            return
        path = words.PAYLOAD_PATH.format(grant=grant.hex())
        left = end - start
        with _faults(self._url):
            try:
                response = self._response("GET", path, None, {"Range": f"bytes={start}-{end - 1}"})
                if response.status != 206:
                    _refusal(response.read(words.MAX_ANSWER_BYTES), self._url)
                while left:
                    part = response.read(min(READ_BYTES, left))
                    if not part:
                        raise BridgeError(
                            f"{self._url}: the bridge stopped sending: run the same command again"
                        )
                    left -= len(part)
                    yield part
                response.read()
            finally:
                if left:
                    self._connection.close()  # what is still to come must not be the next answer

    def _visiting(self, question: Callable[[], T]) -> T:
        """Asks as the person; proves anew, once, when the visit has ended."""
        if self._token is None:
            self.prove()
        try:
            return question()
        except Refused as refused:
            if refused.word != "visit-ended":
                raise
        self.prove()
        return question()

    def _ask(self, method: str, path: str, body: Any, kind: type[T]) -> T:
        content = None if body is None else words.write_body(body)
        with _faults(self._url):
            response = self._response(method, path, content)
            text = response.read(words.MAX_ANSWER_BYTES)
            if response.status != 200:
                _refusal(text, self._url)
            return words.read_body(kind, text)

    def _response(
        self, method: str, path: str, content: bytes | None, more: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer's start. A kept connection the bridge has closed meanwhile is opened anew, once."""
        headers = dict(more or {})
        if content:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.hex()}"
        kept = self._connection.sock is not None
        try:
            self._connection.request(method, path, content, headers)
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            if not kept:
                raise
        self._connection.request(method, path, content, headers)
        return self._connection.getresponse()

    def _certificate(self) -> bytes:
        """SHA-256 of the certificate this connection really shows."""
        sock = self._connection.sock
        seen = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        if seen is None:
            raise BridgeError(f"{self._url}: the connection was lost: try again")
        return hashlib.sha256(seen).digest()


def _refusal(text: bytes, url: str) -> NoReturn:
    with suppress(Malformed):
        raise read_problem(read_object(text))
    raise BridgeError(f"{url}: the bridge gave an answer that cannot be read")


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """Faults of the network and of TLS as sentences for a person."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise BridgeError(
            f"{url}: the server's certificate is not this bridge's: {error.verify_message}. Check the address; if it is "
            "right, someone may stand between: tell the administrator"
        ) from None
    except ssl.SSLError as error:
        raise BridgeError(f"{url}: no secure connection: {error.reason or error}") from None
    except Malformed as error:
        raise BridgeError(f"{url}: the bridge gave an answer that cannot be read: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BridgeError(f"{url}: the bridge cannot be reached: {what}") from None
