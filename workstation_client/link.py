"""The connection to the bridge: TLS pinned to its CA, the proof of the device's key, bytes in and out. Decides nothing.

It calls its `LinkUser` on the event loop and asks it for the next entry of the spool whenever the socket takes one, so
the websocket's own back-pressure is the only queue. It reconnects by itself, quickly at first: a lease lasts 2 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import logging
import secrets
import ssl
from collections import deque
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from pbx_bridge import wire
from pbx_bridge.errors import OperatorError, PeerError
from pbx_bridge.wire_picture import Picture, write_picture
from pbx_bridge.wire_proof import enrol_statement, public_key, sign, station_statement
from workstation_client.dialling import dial
from workstation_client.identity import Identity
from workstation_client.spool import Entry

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_WAITS_S: Final = (0.0, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5)
"""Between the first attempts after a cut, while the lease may still be saved."""
LATER_WAIT_S: Final = 5.0
TURNED_AWAY_WAIT_S: Final = 60.0
"""Revoked or unknown: only a person can change that."""
FIRST_OPEN_S: Final = 0.4
"""For the socket, and again for TLS and the websocket: a lost packet is waited for longer than a new attempt takes."""
LATER_OPEN_S: Final = 10.0
HTTPS_PORT: Final = 443
MAX_WAITING: Final = 256
"""Control messages not yet sent; more means the link is stuck, and it is made anew."""
_CLOSE_S: Final = 1.0


class TurnedAway(Exception):
    """The bridge ended the link and said why."""

    def __init__(self, farewell: wire.Farewell) -> None:
        super().__init__(farewell.text or farewell.reason.value)
        self.reason = farewell.reason


class LinkUser(Protocol):
    """Whom the link serves."""

    def presence(self) -> wire.Presence: ...
    def linked(self, welcome: wire.Welcome) -> None: ...
    def unlinked(self, why: str) -> None: ...
    def told(self, message: wire.ToStation) -> None: ...
    def next_entry(self) -> Entry | None: ...


def software() -> str:
    """The client's version; "0" when it runs from its sources."""
    try:
        return importlib.metadata.version("pbx-bridge")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def tls_context(ca_pem: str) -> ssl.SSLContext:
    """Trusts the bridge's own CA and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=ca_pem)
    return context


def certificate_sha256(websocket: ClientConnection) -> bytes:
    """Hash of the certificate the other side showed on this very connection."""
    tls: ssl.SSLObject = websocket.transport.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return hashlib.sha256(shown).digest()


async def _dial(url: str, ca_pem: str, path: str, open_s: float) -> connect:
    """Raises: OSError, TimeoutError among them."""
    parts = urlsplit(url)
    return connect(
        f"wss://{parts.netloc}{path}",
        sock=await dial(parts.hostname or "", parts.port or HTTPS_PORT, open_s),
        ssl=tls_context(ca_pem),
        compression=None,
        max_size=2 * wire.MAX_CONTROL_BYTES,
        max_queue=16,
        write_limit=wire.MAX_CONTROL_BYTES,
        ping_interval=None,
        ping_timeout=None,
        open_timeout=open_s,
        close_timeout=_CLOSE_S,
        proxy=None,
        user_agent_header=None,
    )


class _Talk:
    """Numbered messages on one websocket."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._reader, self._writer = wire.Reader(wire.Side.BRIDGE), wire.Writer(wire.Side.STATION)

    async def say(self, message: wire.ToBridge) -> None:
        await self.websocket.send(self._writer.write(message))

    async def hear(self) -> wire.ToStation:
        """Raises: TurnedAway, PeerError, ConnectionClosed."""
        data = await self.websocket.recv()
        if not isinstance(data, str):
            raise PeerError("the bridge sent a binary message")
        message: wire.ToStation = self._reader.read(data)
        if isinstance(message, wire.Farewell):
            raise TurnedAway(message)
        return message

    async def expect(self, kind: type[T]) -> T:
        message = await self.hear()
        if not isinstance(message, kind):
            raise PeerError(f"{kind.__name__} is due, not {type(message).__name__}")
        return message


async def enrol_device(url: str, ca_pem: str, secret: bytes, seed: bytes) -> str:
    """Uses the invitation; the station's name at the bridge. Raises: OperatorError."""
    try:
        async with (
            await _dial(url, ca_pem, wire.ENROL_PATH, LATER_OPEN_S) as websocket,
            asyncio.timeout(LATER_OPEN_S),
        ):
            talk = _Talk(websocket)
            challenge = await talk.expect(wire.Challenge)
            key, nonce = public_key(seed), secrets.token_bytes(32)
            statement = enrol_statement(
                version=wire.WIRE_VERSION,
                key=key,
                secret=secret,
                client_nonce=nonce,
                server_nonce=challenge.nonce,
                certificate_sha256=certificate_sha256(websocket),
            )
            await talk.say(wire.Enrol(wire.WIRE_VERSION, secret, key, nonce, sign(seed, statement)))
            return (await talk.expect(wire.Enrolled)).station
    except TurnedAway as away:
        raise OperatorError(
            str(away), where=url, do="Ask the administrator for a new code: pbx-bridge station invite NAME"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise OperatorError(
            f"the bridge's certificate does not fit ({error.verify_message})",
            where=url,
            do="Use one of the names in the bridge's configuration, stations.names",
        ) from None
    except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed, PeerError) as error:
        raise OperatorError(
            f"the bridge cannot be reached ({str(error) or type(error).__name__})", where=url
        ) from None


class BridgeLink:
    """Keeps a connection to the bridge for as long as `run` runs."""

    def __init__(self, identity: Identity, run: bytes, user: LinkUser) -> None:
        self._identity, self._run, self._user = identity, run, user
        self._waiting: deque[wire.ToBridge] = deque()
        self._something = asyncio.Event()
        self._talk: _Talk | None = None
        self._ending = False
        self._ended = asyncio.Event()
        self.state = "not connected"
        """A sentence for `status`."""

    @property
    def is_connected(self) -> bool:
        return self._talk is not None

    def say(self, message: wire.ToBridge) -> None:
        """Sends a control message on the present connection; without one it is dropped."""
        if self._talk is None:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.reconnect()
        else:
            self._waiting.append(message)
            self._something.set()

    def send_entries(self) -> None:
        """The spool has something."""
        self._something.set()

    def reconnect(self) -> None:
        """Ends the present connection at once; `run` makes a new one."""
        if self._talk:
            self._talk.websocket.transport.abort()

    async def run(self) -> None:
        """Connects, serves, connects again, until the farewell or cancellation."""
        attempt = 0
        while not self._ending:
            wait_s = FIRST_WAITS_S[attempt] if attempt < len(FIRST_WAITS_S) else LATER_WAIT_S
            open_s = FIRST_OPEN_S if attempt < 4 else LATER_OPEN_S
            await asyncio.sleep(wait_s)
            attempt += 1
            url, ca_pem = self._identity.url, self._identity.ca_pem
            try:
                async with await _dial(url, ca_pem, wire.STATION_PATH, open_s) as websocket:
                    talk = _Talk(websocket)
                    async with asyncio.timeout(LATER_OPEN_S):
                        welcome = await self._prove(talk)
                    attempt = 0
                    await self._serve(talk, welcome)
            except TurnedAway as away:
                self.state = f"ended by the bridge: {away}"
                log.warning("%s", self.state)
                if away.reason not in (wire.FarewellReason.STOPPING, wire.FarewellReason.SILENT):
                    await asyncio.sleep(TURNED_AWAY_WAIT_S if attempt else 1.0)
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed, PeerError) as error:
                self.state = f"not connected: {str(error) or type(error).__name__}"
                log.info("%s", self.state)

    async def farewell(self) -> None:
        """Sends what is left, says goodbye and ends the connection, in a second at most."""
        if self._talk is None:
            return
        self._ending = True
        self._something.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._ended.wait()

    async def _prove(self, talk: _Talk) -> wire.Welcome:
        seed, nonce = self._identity.seed, secrets.token_bytes(32)
        key = public_key(seed)
        await talk.say(wire.Hello(wire.WIRE_VERSION, key, nonce, self._run, software()))
        challenge = await talk.expect(wire.Challenge)
        statement = station_statement(
            version=wire.WIRE_VERSION,
            key=key,
            run=self._run,
            client_nonce=nonce,
            server_nonce=challenge.nonce,
            certificate_sha256=certificate_sha256(talk.websocket),
        )
        await talk.say(wire.Proof(sign(seed, statement)))
        await talk.say(self._user.presence())
        return await talk.expect(wire.Welcome)

    async def _serve(self, talk: _Talk, welcome: wire.Welcome) -> None:
        self._waiting.clear()
        self._talk = talk
        self.state = f"connected as {welcome.station}"
        log.info("%s", self.state)
        writing = asyncio.create_task(self._write(talk))
        try:
            self._user.linked(welcome)
            while True:
                self._user.told(await talk.hear())
        finally:
            self._talk = None
            writing.cancel()
            self.state = "not connected"
            self._user.unlinked(self.state)
            self._ended.set()

    async def _write(self, talk: _Talk) -> None:
        """Control first, then entries in order, as fast as the socket takes them."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                if self._waiting:
                    await talk.say(self._waiting.popleft())
                elif entry := self._user.next_entry():
                    if isinstance(entry, Picture):
                        await talk.websocket.send(write_picture(entry))
                    else:
                        await talk.say(entry)
                elif self._ending:
                    await talk.say(wire.Farewell(wire.FarewellReason.STOPPING, "the client stops"))
                    await talk.websocket.close()
                    return
                else:
                    self._something.clear()
                    await self._something.wait()
