"""Every operation of the API: its path, what it takes and gives, who may ask. One table.

The routes are mounted from it (api.py), bodies are read and answers written by the types named here, and the OpenAPI
document is made of it (openapi.py): what is checked is what is said. It decides nothing; who sees what is the keeper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pbx_bridge import wire_audit as audit
from pbx_bridge import wire_notes as notes
from pbx_bridge import wire_office as office
from pbx_bridge import wire_portal as words
from pbx_bridge import wire_program as program
from pbx_bridge import wire_report as report
from pbx_bridge import wire_rights as rights
from pbx_bridge import wire_week as week
from pbx_bridge.portal.tokens import Scope
from pbx_bridge.wire_json import Hex, Text

PARAMETERS: Final[dict[str, tuple[Text | Hex, str]]] = {
    "recording": (words.RECORDING, "A recording, as the list names it."),
    "grant": (Hex(16), "The leave that `open` gave."),
    "note": (notes.NOTE, "A note, as `notes` names it."),
    "after": (Text(18, 1, "[0-9]{1,18}"), "The number of the last record that is there already."),
    "language": (Text(2, 2, "en|fr"), "The language to read it in."),
}


class Needs(Enum):
    """What an operation wants to see first."""

    NOTHING = "nothing"
    VISIT = "visit"
    """A person's token, which the proof of their key opened."""
    TOKEN = "token"
    """A program's token with one of the operation's scopes."""


class Content(Enum):
    """An answer that is no JSON of a class."""

    SEALED = "application/octet-stream"
    DOCUMENT = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    """Its `operationId`."""
    method: str
    path: str
    needs: Needs
    asked: type[Any] | None
    """What the body is; None: there is none."""
    answer: type[Any] | Content
    says: str
    """One line for whoever reads the document."""
    scopes: tuple[Scope, ...] = ()
    """Of a program's token: one of them lets it in."""


GET, POST = "GET", "POST"
_VISIT: Final = Needs.VISIT
OPERATIONS: Final = (
    Operation(
        "openapi", GET, words.OPENAPI_PATH, Needs.NOTHING, None, Content.DOCUMENT, "This document."
    ),
    Operation(
        "begin", POST, words.BEGIN_PATH, Needs.NOTHING, words.BeginAsked, words.Begun,
        "Begin the proof of a key: to visit, to join with a code, or to do one deed.",
    ),
    Operation(
        "prove", POST, words.PROVE_PATH, Needs.NOTHING, words.Prove, words.Proven,
        "Answer the challenge: its token speaks for the person for 15 minutes.",
    ),
    Operation(
        "list", GET, words.LIST_PATH, _VISIT, None, words.Items,
        "The recordings the asker may know of.",
    ),
    Operation(
        "open", POST, words.OPEN_PATH, _VISIT, words.OpenAsked, words.Opened,
        "Open a recording: its header wrapped for the asker's key, and leave to read its payload.",
    ),
    Operation(
        "fetch", POST, words.FETCH_PATH, _VISIT, words.OpenAsked, words.Opened,
        "The same, to have the whole sealed file and not to watch it: the log of accesses says so.",
    ),
    Operation(
        "payload", GET, words.PAYLOAD_PATH, _VISIT, None, Content.SEALED,
        "The sealed payload, whole or one `Range`, to whom `open` gave the grant; its `ETag` is its SHA-256.",
    ),
    Operation(
        "left", POST, words.LEFT_PATH, _VISIT, words.LeftAsked, words.Done,
        "The viewer leaves, or what shows the recording stopped at a part that is not as it should be.",
    ),
    Operation(
        "review", POST, words.REVIEW_PATH, _VISIT, words.ReviewAsked, words.Reviewed,
        "A trainer: the recording was discussed with its trainee in this training session.",
    ),
    Operation(
        "export", POST, rights.EXPORT_PATH, _VISIT, None, Content.SEALED,
        "A trainee: a copy of their own recording, the customer silenced, sealed to their key; its `ETag` is its SHA-256.",
    ),
    Operation(
        "erase", POST, rights.ERASE_PATH, _VISIT, None, rights.Erased,
        "A trainee: have their own recording destroyed.",
    ),
    Operation(
        "own", GET, rights.OWN_PATH, _VISIT, None, rights.Own,
        "A trainee: plans, calls, acknowledgements, requests and accesses that are theirs.",
    ),
    Operation(
        "notice", GET, week.NOTICE_PATH, _VISIT, None, week.NoticeInForce,
        "A trainee: the notice that is in force for them.",
    ),
    Operation(
        "requests", GET, rights.REQUESTS_PATH, _VISIT, None, rights.RightsRequests,
        "A trainee: their requests; an approver: those that are open.",
    ),
    Operation(
        "request", POST, rights.REQUESTS_PATH, _VISIT, rights.RequestAsked, rights.RightsRequest,
        "A trainee: ask for a copy, or object to being recorded; it is taken back by a deed (`take-back`).",
    ),
    Operation(
        "notes", GET, notes.NOTES_PATH, _VISIT, None, notes.Notes,
        "The notes on a recording's time line, sealed to the asker's key.",
    ),
    Operation(
        "write-note", POST, notes.NOTES_PATH, _VISIT, notes.NoteAsked, words.Done,
        "A trainer: keep a note, sealed to the recording's own key.",
    ),
    Operation(
        "erase-note", POST, notes.ERASE_NOTE_PATH, _VISIT, None, words.Done,
        "Who wrote a note, or the trainee it is about: have it erased.",
    ),
    Operation(
        "week", GET, week.WEEK_PATH, _VISIT, None, week.TrainersWeek,
        "A trainer: their plans, room for review and technical faults of this week.",
    ),
    Operation(
        "slots", POST, words.SLOTS_PATH, _VISIT, words.SlotAsked, words.Done,
        "A trainer: book a slot of one of their plans, or cancel it.",
    ),
    Operation(
        "proposals", GET, words.PROPOSALS_PATH, _VISIT, None, words.Proposals,
        "An approver: the plans, capacities and keys that wait for them.",
    ),
    Operation(
        "weigh", POST, office.WEIGH_PATH, _VISIT, office.WeighAsked, office.Weighed,
        "An approver: what the keeper knows beside one of their proposals: days in 24 months, what is in force, a bar.",
    ),
    Operation(
        "report", GET, report.REPORT_PATH, _VISIT, None, report.ReportTold,
        "An approver or auditor: the monthly figures, and what became of each month's recordings. No person is in them.",
    ),
    Operation(
        "audit-look", POST, audit.LOOK_PATH, _VISIT, audit.Looked, audit.AuditLook,
        "An auditor: some records by time and kind, newest first.",
    ),
    Operation(
        "audit", GET, words.AUDIT_PATH, _VISIT, None, words.AuditPage,
        "An auditor: the log of accesses from this record on.",
    ),
    Operation(
        "payment", POST, words.PAYMENT_PATH, Needs.TOKEN, words.PaymentAsked, words.PaymentNoted,
        "Payment software: a payment begins or ends in this trainee's call.",
        (Scope.PAYMENT_BEGIN, Scope.PAYMENT_END),
    ),
    Operation(
        "health", GET, program.HEALTH_PATH, Needs.TOKEN, None, program.Health,
        "Monitoring: whether this bridge could record a call now.",
        (Scope.HEALTH,),
    ),
    Operation(
        "audit-checkpoint", GET, program.CHECKPOINT_PATH, Needs.TOKEN, None, program.AuditCheckpoint,
        "A second place: the audit log's newest checkpoint, to keep.",
        (Scope.CHECKPOINT,),
    ),
)  # fmt: skip
