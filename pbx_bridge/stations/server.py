"""The stations' TLS port: carries bytes between websockets and the pure links, and decides nothing itself.

One port, three paths: /ca.pem (the CA certificate, for those who have its fingerprint), /enrol and /station. Every
connection has limits of its own, its own task and its own bounded queue; a fault ends that connection and no other.
Events are told by a plain call on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pbx_bridge import wire
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId, StationId
from pbx_bridge.listening import Listening
from pbx_bridge.stations import events
from pbx_bridge.stations.ca import TlsPaths
from pbx_bridge.stations.handshake import Turned, check_enrolment, check_proof, check_version
from pbx_bridge.stations.link import Cut, Out, Say, StationLink, Tell
from pbx_bridge.stations.registry import InvitationRefused, Registry, Station
from pbx_bridge.stations.roster import Arrival, Roster
from pbx_bridge.wire_picture import MAX_PACKET_BYTES, read_picture

MAX_CONNECTIONS: Final = 2000
"""Stations of the largest site, each with one connection."""
MAX_UNPROVEN: Final = 64
MAX_UNPROVEN_OF_ONE: Final = 16
"""Of one address: a floor behind one NAT that reconnects at once waits a moment."""
HANDSHAKE_S: Final = 5.0
MAX_OUTGOING: Final = 256
"""Messages waiting for one station: a station that does not read is cut long before memory matters."""
_MAX_INCOMING_FRAMES: Final = 4
_TICK_S: Final = 0.1
_LOOKS: Final = 3
"""A change is looked at again: file times are only as fine as the kernel's tick, and a second change may hide in it."""
_CLOSE_S: Final = 1.0
_POLICY: Final = 1008
"""RFC 6455 7.4.1: the message broke a rule."""

T = TypeVar("T")
log = structlog.get_logger()


class _Connection:
    """One websocket: numbering, and a writer of its own behind a bounded queue."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.websocket = websocket
        self._reader, self._writer = wire.Reader(wire.Side.STATION), wire.Writer(wire.Side.BRIDGE)
        self._outgoing: asyncio.Queue[wire.ToStation] = asyncio.Queue(MAX_OUTGOING)
        self._writing = asyncio.create_task(self._write())
        self.closing: asyncio.Task[None] | None = None

    def say(self, message: wire.ToStation) -> bool:
        """False when too much waits already."""
        try:
            self._outgoing.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    def cut(self, reason: wire.FarewellReason, text: str) -> None:
        """Says why and closes; a peer that does not answer is dropped after a second."""
        if self.closing is None:
            self.closing = asyncio.create_task(self._close(reason, text[:200]))

    def take(self, text: str) -> wire.ToBridge:
        message: wire.ToBridge = self._reader.read(text)
        return message

    async def expect(self, kind: type[T]) -> T:
        """The next message, of a handshake. Raises: PeerError, ConnectionClosed."""
        data = await self.websocket.recv()
        if not isinstance(data, str):
            raise PeerError("a picture came before the key was proven")
        message = self.take(data)
        if not isinstance(message, kind):
            raise PeerError(f"{kind.__name__} is due, not {type(message).__name__}")
        return message

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.websocket.send(self._writer.write(await self._outgoing.get()))

    async def _close(self, reason: wire.FarewellReason, text: str) -> None:
        self._writing.cancel()
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self.websocket.send(self._writer.write(wire.Farewell(reason, text)))
                await self.websocket.close(_POLICY, reason.value)
        self.websocket.transport.abort()

    async def finish(self) -> None:
        self._writing.cancel()
        if self.closing:
            await self.closing


class StationServer:
    """Listens for stations. `on_event` is called on the event loop, once per event, in order for each station."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: TlsPaths,
        registry: Registry,
        on_event: Callable[[events.StationEvent], None],
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._host, self._port, self._tls, self._registry = host, port, tls, registry
        self._on_event, self._now_ns = on_event, now_ns
        self._roster = Roster()
        self._connections: dict[StationLink, _Connection] = {}
        self._unproven: Counter[str] = Counter()
        self._server: Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._stamp = 0

    async def start(self) -> None:
        """Raises: OSError when the port cannot be had."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._tls.cert, self._tls.key)
        self._certificate_sha256 = self._tls.cert_sha256()
        self._ca_pem = self._tls.ca_cert.read_bytes()
        self._stamp = self._registry.stamp()
        self._server = await serve(
            self._serve,
            sock=Listening(self._host, self._port, MAX_CONNECTIONS + MAX_UNPROVEN),
            ssl=context,
            process_request=self._admit,
            compression=None,
            max_size=wire.MAX_CONTROL_BYTES,
            max_queue=_MAX_INCOMING_FRAMES,
            write_limit=wire.MAX_CONTROL_BYTES,
            ping_interval=None,
            ping_timeout=None,
            open_timeout=HANDSHAKE_S,
            close_timeout=_CLOSE_S,
            ssl_handshake_timeout=HANDSHAKE_S,
            server_header=None,
        )
        self._ticker = asyncio.create_task(self._tick())

    @property
    def port(self) -> int:
        """The port really listened on."""
        assert self._server is not None
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def close(self) -> None:
        """Says farewell to every station and stops listening."""
        if self._ticker:
            self._ticker.cancel()
        for link in self._roster.links():
            self._carry_out(link, link.end(wire.FarewellReason.STOPPING, "the bridge stops"))
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    def send(self, station: StationId, message: wire.Order) -> bool:
        """Gives an order. False when the station is not up or the order does not fit its state: nothing was sent.

        An order about a recording given during a short cut is kept and reaches the station when it resumes.
        """
        link = self._roster.named(station)
        outs = link.send(message) if link else None
        if link is None or outs is None:
            return False
        self._carry_out(link, outs)
        return True

    def acknowledge(self, station: StationId, recording: RecordingId, seq: int) -> None:
        """Entries of `recording` up to `seq` are safe; the station may erase them."""
        if link := self._roster.named(station):
            self._carry_out(link, link.acknowledge(recording, seq))

    # ---- connections

    def _admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == wire.CA_PATH:
            return websocket.respond(HTTPStatus.OK, self._ca_pem.decode())
        if path not in (wire.ENROL_PATH, wire.STATION_PATH):
            return websocket.respond(HTTPStatus.NOT_FOUND, "pbx-bridge: there is nothing here\n")
        address = _address(websocket)
        if (
            len(self._connections) >= MAX_CONNECTIONS
            or self._unproven.total() >= MAX_UNPROVEN
            or self._unproven[address] >= MAX_UNPROVEN_OF_ONE
        ):
            return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again\n")
        return None

    async def _serve(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        connection = _Connection(websocket)
        address = _address(websocket)
        self._unproven[address] += 1
        link: StationLink | None = None
        try:
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    if websocket.request.path.startswith(wire.ENROL_PATH):
                        await self._enrol(connection)
                    else:
                        link = await self._prove(connection)
            finally:
                self._unproven[address] -= 1
                self._unproven += Counter()  # forgets addresses at zero
            if link:
                await self._read(connection, link)
        except (Turned, PeerError, TimeoutError) as fault:
            reason = fault.reason if isinstance(fault, Turned) else wire.FarewellReason.PROTOCOL
            text = str(fault) or f"the handshake took more than {HANDSHAKE_S:.0f} s"
            log.warning(
                "station-turned-away", station=link.station if link else None, reason=reason, text=text
            )
            if link and self._connections.get(link) is connection:
                self._carry_out(link, link.end(reason, text))
            connection.cut(reason, text)
        except ConnectionClosed as closed:
            if closed.sent and closed.sent.code == 1009 and link:
                self._carry_out(link, link.end(wire.FarewellReason.PROTOCOL, "a message was too long"))
        finally:
            if link and self._connections.get(link) is connection:
                del self._connections[link]
                self._carry_out(link, link.disconnected(self._now_ns()))
            await connection.finish()

    async def _enrol(self, connection: _Connection) -> None:
        nonce = secrets.token_bytes(32)
        connection.say(wire.Challenge(nonce))
        enrol = await connection.expect(wire.Enrol)
        check_enrolment(enrol, server_nonce=nonce, certificate_sha256=self._certificate_sha256)
        try:
            station = self._registry.enrol(enrol.secret, enrol.key)
        except InvitationRefused as refused:
            raise Turned(wire.FarewellReason.INVITATION, str(refused)) from None
        log.info("station-enrolled", station=station.name)
        connection.say(wire.Enrolled(station.name))
        with contextlib.suppress(ConnectionClosed):
            await connection.websocket.recv()  # the device closes

    async def _prove(self, connection: _Connection) -> StationLink:
        hello = await connection.expect(wire.Hello)
        check_version(hello.version)
        nonce = secrets.token_bytes(32)
        connection.say(wire.Challenge(nonce))
        proof = await connection.expect(wire.Proof)
        check_proof(
            hello,
            proof,
            server_nonce=nonce,
            certificate_sha256=self._certificate_sha256,
            enrolled=self._enrolled(hello.key) is not None,
        )
        connection.websocket.protocol.max_message_size = MAX_PACKET_BYTES
        presence = await connection.expect(wire.Presence)
        # Again: it may have been revoked while the presence was under way, before the link is in the roster.
        known = self._enrolled(hello.key)
        if known is None:
            raise Turned(wire.FarewellReason.REVOKED, "the enrolment was revoked")
        now_ns = self._now_ns()
        arrival, link = self._roster.judge(hello.key, hello.run, now_ns)
        if arrival is Arrival.CLONE:
            assert link is not None
            log.error("station-key-cloned", station=link.station)
            text = "a second machine came with the same key; both links were closed"
            self._carry_out(link, link.end(wire.FarewellReason.CLONED, text))
            self._on_event(events.KeyCloned(link.station))
            raise Turned(wire.FarewellReason.CLONED, text)
        if arrival is Arrival.HELD:
            raise Turned(wire.FarewellReason.CLONED, "the key was seen on two machines; try again in 30 s")
        if not self._registry.claim(hello.key, presence.login):
            log.error("station-of-another-login", station=known.name)
            text = "this workstation is enrolled for another login: have it revoked, invited and enrolled anew for this one"
            if link:
                self._carry_out(link, link.end(wire.FarewellReason.LOGIN, text))
            raise Turned(wire.FarewellReason.LOGIN, text)
        if arrival is Arrival.NEW:
            if link:
                self._carry_out(link, link.end(wire.FarewellReason.SILENT, "the client was started anew"))
            link = StationLink(known.station, hello.key, hello.run, hello.software)
            self._roster.add(link)
        assert link is not None
        if stale := self._connections.pop(link, None):
            stale.cut(wire.FarewellReason.SILENT, "the same client came back on another connection")
        self._connections[link] = connection
        self._carry_out(link, link.connected(now_ns, presence))
        return link

    def _enrolled(self, key: bytes) -> Station | None:
        known = self._registry.find_key(key)
        return known if known and known.revoked_at is None else None

    async def _read(self, connection: _Connection, link: StationLink) -> None:
        async for data in connection.websocket:
            now_ns = self._now_ns()
            if self._connections.get(link) is not connection:
                return
            if isinstance(data, str):
                self._carry_out(link, link.received(now_ns, connection.take(data)))
            else:
                self._carry_out(link, link.picture(now_ns, read_picture(data)))

    def _carry_out(self, link: StationLink, outs: Sequence[Out]) -> None:
        for out in outs:
            match out:
                case Say(message):
                    connection = self._connections.get(link)
                    if connection and not connection.say(message):
                        text = "the station does not read what it is sent"
                        self._carry_out(link, link.end(wire.FarewellReason.CROWDED, text))
                case Tell(event):
                    self._on_event(event)
                case Cut(reason, text):
                    log.info("station-link-ended", station=link.station, reason=reason.value, text=text)
                    self._roster.drop(link)
                    if connection := self._connections.pop(link, None):
                        connection.cut(reason, text)

    async def _tick(self) -> None:
        """Leases that ran out, keys that were revoked by another process."""
        looks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            now_ns = self._now_ns()
            if (stamp := self._registry.stamp()) != self._stamp:
                self._stamp, looks = stamp, _LOOKS
            if looks:
                looks -= 1
                self._end_revoked()
            for link in self._roster.links():
                self._carry_out(link, link.tick(now_ns))

    def _end_revoked(self) -> None:
        good = {s.key for s in self._registry.stations() if s.revoked_at is None}
        for link in self._roster.links():
            if link.key not in good:
                self._carry_out(link, link.end(wire.FarewellReason.REVOKED, "the enrolment was revoked"))


def _address(websocket: ServerConnection) -> str:
    return str(websocket.remote_address[0]) if websocket.remote_address else ""
