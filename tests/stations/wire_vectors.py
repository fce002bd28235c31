"""The examples behind tests/vectors/wire; `python -m tests.stations.wire_vectors` writes the files anew.

A change of these files is a change of the protocol: it needs a new version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pbx_bridge import wire, wire_proof
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_picture import Picture, write_picture

ONE = RecordingId("mfrggzdfmztwq2lknnwg23tpoa")
SEED = bytes(range(32))
KEY = wire_proof.public_key(SEED)
NONCE, SERVER_NONCE, CERTIFICATE = b"\x11" * 32, b"\x22" * 32, b"\x33" * 32
MASKS = (wire.Mask(0, -120, 400, 120), wire.Mask(-4096, 4096, 1, 4096))
RULE = wire.ApplicationRule(
    "crm", "/usr/bin/python3.11", "/opt/crm/main.py", "Crm", "^Dossier", "ab" * 32, MASKS, ("^Paiement", "CB")
)
NOTICE = wire.Notice("fr", "Votre poste est filmé\npendant certains appels.", (RULE,), 10, 3600)
HASH = wire.notice_hash(NOTICE)
DESKTOP = wire.Desktop(active=True, locked=False, kind=wire.DesktopKind.X11)
BRIDGE, STATION = wire.Side.BRIDGE, wire.Side.STATION

STATEMENTS: list[tuple[str, bytes]] = [
    (
        "station",
        wire_proof.station_statement(
            version=1,
            key=KEY,
            run=b"\x44" * 16,
            client_nonce=NONCE,
            server_nonce=SERVER_NONCE,
            certificate_sha256=CERTIFICATE,
        ),
    ),
    (
        "enrol",
        wire_proof.enrol_statement(
            version=1,
            key=KEY,
            secret=b"\x55" * 16,
            client_nonce=NONCE,
            server_nonce=SERVER_NONCE,
            certificate_sha256=CERTIFICATE,
        ),
    ),
    ("acknowledgement", wire_proof.acknowledgement_statement(HASH, 1_764_000_000)),
    ("hand-over", wire_proof.hand_over_statement(ONE)),
]
_signed = {name: wire_proof.sign(SEED, statement) for name, statement in STATEMENTS}

ACCESS = AccessLine(12, 1_764_000_000, "bruno", "open", "granted", "", ONE, "first review", "")
MESSAGES: list[tuple[wire.Side, Any]] = [
    (STATION, wire.Hello(1, KEY, NONCE, b"\x44" * 16, "0.1.0")),
    (STATION, wire.Proof(_signed["station"])),
    (STATION, wire.Enrol(1, b"\x55" * 16, KEY, NONCE, _signed["enrol"])),
    (STATION, wire.Presence("eva", DESKTOP, HASH, (wire.Spooled(ONE, 3, 9),))),
    (STATION, wire.Renew(0, -5, None)),
    (STATION, wire.Renew(1, 2**63 - 1, wire.Heard(0, 12))),
    (STATION, wire.DesktopNow(wire.Desktop(active=False, locked=True, kind=wire.DesktopKind.REMOTE_X11))),
    (STATION, wire.CaptureStarted(ONE, 0, 1000)),
    (STATION, wire.PaymentBegan(ONE, 5, 1500)),
    (STATION, wire.PaymentEnded(ONE, 6, 1600)),
    (STATION, wire.CaptureStopped(ONE, 7, 2000, wire.CaptureEnd.LEASE_LOST)),
    (STATION, wire.CaptureRefused(ONE, wire.CaptureEnd.NOT_ALLOWED)),
    (STATION, wire.NoticeAccepted(HASH, 1_764_000_000, _signed["acknowledgement"])),
    (STATION, wire.AskRecordings(1)),
    (STATION, wire.AskAccesses(4, 0)),
    (STATION, wire.AskHandOver(2, ONE, _signed["hand-over"])),
    (STATION, wire.AskPrivate(3)),
    (STATION, wire.Farewell(wire.FarewellReason.STOPPING, "the client stops")),
    (BRIDGE, wire.Challenge(SERVER_NONCE)),
    (BRIDGE, wire.Enrolled("desk-1")),
    (BRIDGE, wire.Welcome("desk-1", (wire.Resume(ONE, 5),))),
    (BRIDGE, wire.Lease(0, -5, 100, 101)),
    (BRIDGE, wire.GetReady()),
    (BRIDGE, wire.StartCapture(ONE, HASH, ("crm",), 10, wire.Canvas(1920, 1080), 3600)),
    (BRIDGE, wire.StartCapture(ONE, HASH, ("crm",), 5, None, 1)),
    (BRIDGE, wire.PauseCapture(ONE)),
    (BRIDGE, wire.ResumeCapture(ONE)),
    (BRIDGE, wire.StopCapture(ONE, "call-ended", discard=False)),
    (BRIDGE, wire.Received(ONE, 6)),
    (BRIDGE, NOTICE),
    (BRIDGE, wire.RecordingsList(1, (wire.RecordingLine(ONE, 1_764_000_000, 312, "own"),))),
    (BRIDGE, wire.AccessesList(4, (ACCESS,), True, "")),
    (BRIDGE, wire.HandOverResult(2, True, "")),
    (BRIDGE, wire.PrivateResult(3, False, "no call is being recorded")),
    (BRIDGE, wire.Farewell(wire.FarewellReason.REVOKED, "the enrolment was revoked")),
]
PICTURES = [
    Picture(ONE, 1, 1_000_000_000, True, False, 1920, 1080, bytes.fromhex("824983420077f0")),
    Picture(ONE, 2, -1, False, True, 16, 4096, b"\x00", 1),
    Picture(ONE, 2**48, -(2**63), False, False, 640, 480, b"\xff" * 20, 2**32 - 1),
]


def write() -> None:
    folder = Path(__file__).parents[1] / "vectors" / "wire"
    files: dict[str, list[dict[str, object]]] = {
        "messages.json": [{"from": side.value, "text": wire.Writer(side).write(m)} for side, m in MESSAGES],
        "pictures.json": [
            {
                "recording": p.recording,
                "seq": p.seq,
                "pts_ns": p.pts_ns,
                "late_us": p.late_us,
                "keyframe": p.keyframe,
                "card": p.card,
                "width": p.width,
                "height": p.height,
                "data": p.data.hex(),
                "packet": write_picture(p).hex(),
            }
            for p in PICTURES
        ],
        "statements.json": [
            {
                "name": name,
                "seed": SEED.hex(),
                "key": KEY.hex(),
                "statement": statement.hex(),
                "signature": _signed[name].hex(),
            }
            for name, statement in STATEMENTS
        ],
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
