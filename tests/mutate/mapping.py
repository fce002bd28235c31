"""Which tests are asked about which function, the quickest first: the first that fails ends the asking.

A function of a core is asked of its core's own tests, what joins the parts of the running bridge of a whole bridge
(tests/bridge). None needs a live call.
"""

from __future__ import annotations

import re
from typing import Final

from tests.mutate.rules import ROOT, RuleFunction

KEEPER: Final = (
    "tests/archive/test_keeper.py",
    "tests/archive/test_keeper_approvals.py",
    "tests/access/test_pairs.py",
)
CALLS: Final = ("tests/calls",)
PORTAL: Final = (
    "tests/trainer/test_portal.py",
    "tests/trainer/test_fetch.py",
    "tests/trainer/test_booking.py",
)
TESTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"pbx_bridge/access/(approvals|proposals|people)\.py", ("tests/access/test_approvals.py", *KEEPER)),
    (r"pbx_bridge/access/roles\.py::audit_refusal", ("tests/access/test_audit_reading.py",)),
    (r"pbx_bridge/access/roles\.py::report_refusal", ("tests/rights/test_keeper_report.py",)),
    (r"pbx_bridge/access/comparing\.py", ("tests/access/test_comparing.py",)),
    (r"pbx_bridge/access/refused\.py", ("tests/access/test_refused.py",)),
    (r"pbx_bridge/archive/keeper_report\.py", ("tests/rights/test_keeper_report.py",)),
    (r"pbx_bridge/archive/keeper_approvals\.py", ("tests/archive/test_keeper_approvals.py",)),
    (
        r"pbx_bridge/archive/keeper_link\.py::KeeperLink\.(weigh|retained|audit_look)|pbx_bridge/portal/(office|reporting)\.py",
        ("tests/portal/web/test_office.py",),
    ),
    (r"pbx_bridge/access/roles\.py", ("tests/access/test_roles.py", *KEEPER)),
    (
        r"pbx_bridge/access/looks\.py|pbx_bridge/archive/keeper_room\.py::Room\.looked",
        ("tests/access/test_looks.py",),
    ),
    (r"pbx_bridge/access/audit_check\.py", ("tests/access/test_audit_check.py",)),
    (r"pbx_bridge/access/audit\w*\.py", ("tests/access/test_audit.py", "tests/access/test_audit_check.py")),
    (r"pbx_bridge/app_notices\.py", ("tests/training/test_notices.py", "tests/catalogue/test_commands.py")),
    (r"pbx_bridge/app_approvals\.py", ("tests/access/test_approvals.py", "tests/trainer/test_approving.py")),
    (r"pbx_bridge/archive/keeper_link\.py::KeeperLink\.months", ("tests/trainer/test_approving.py",)),
    (
        r"pbx_bridge/archive/keeper_link\.py::KeeperLink\.(checkpoint|token_changed)",
        ("tests/portal/test_token_command.py",),
    ),
    (r"pbx_bridge/archive/keeper_link\.py::KeeperLink\.viewed", ("tests/portal/web/test_viewing.py",)),
    (r"pbx_bridge/archive/keeper_link\.py::KeeperLink\.open_own", ("tests/portal/web/test_own_rights.py",)),
    (r"pbx_bridge/app_doctor\.py::told", ("tests/training/test_notices.py",)),
    (
        r"pbx_bridge/app_doctor\.py",
        ("tests/bridge/test_doctor.py", "tests/bridge/test_whole.py", "tests/archive/test_renewal.py"),
    ),
    (r"pbx_bridge/app_standing\.py", ("tests/training/test_standing.py", "tests/training/test_decision.py")),
    (
        r"pbx_bridge/app_retention\.py",
        ("tests/archive/test_retention.py", "tests/archive/test_keeper_server.py"),
    ),
    (r"pbx_bridge/app_own\.py", ("tests/rights/test_own.py", "tests/rights/test_exports.py")),
    (r"pbx_bridge/app_booking\.py", ("tests/trainer/test_booking.py",)),
    (r"pbx_bridge/app_notes\.py", ("tests/catalogue/test_recordings.py", *CALLS)),
    (
        r"pbx_bridge/archive/keeper_release\.py::ReleaseSide\.hand_over_proven",
        ("tests/portal/web/test_signing_in.py",),
    ),
    (
        r"pbx_bridge/archive/(keeper_renewal|own_identity)\.py|pbx_bridge/archive/keystore\.py::KeyStore\.replace_keys",
        ("tests/archive/test_renewal.py",),
    ),
    (r"pbx_bridge/archive/(clock|timekeeper)\.py", ("tests/archive/test_clock.py",)),
    (r"pbx_bridge/archive/keeper_people\.py::PeopleSide\.training", ("tests/access/test_looks.py",)),
    (
        r"pbx_bridge/archive/keeper_people\.py::PeopleSide\.viewer|pbx_bridge/portal/api\.py::Api\._missing",
        ("tests/portal/web/test_watching.py",),
    ),
    (
        r"pbx_bridge/archive/keystore\.py::KeyStore\.destroy",
        ("tests/archive/test_keeper.py", "tests/archive/test_notes.py"),
    ),
    (
        r"pbx_bridge/archive/(retention|book|keystore)\.py",
        ("tests/archive/test_retention.py", "tests/archive/test_clock.py", *KEEPER),
    ),
    (
        r"pbx_bridge/archive/keeper_(retention|recorder)\.py",
        (
            "tests/archive/test_retention.py",
            "tests/archive/test_clock.py",
            *KEEPER,
            "tests/archive/test_keeper_recovery.py",
        ),
    ),
    (
        r"pbx_bridge/archive/keeper_audit\.py::AuditSide\.token_changed",
        ("tests/portal/test_token_command.py",),
    ),
    (
        r"pbx_bridge/archive/keeper_audit\.py",
        ("tests/access/test_audit_reading.py", "tests/access/test_looks.py"),
    ),
    (
        r"pbx_bridge/archive/keeper_link\.py",
        (
            "tests/archive/test_keeper_server.py",
            "tests/archive/test_retention.py",
            "tests/access/test_audit_reading.py",
        ),
    ),
    (r"pbx_bridge/archive/keeper_process\.py", ("tests/archive/test_keeper_server.py",)),
    (
        r"pbx_bridge/archive/keeper_people\.py::PeopleSide\.(book|training|_trainer)",
        ("tests/trainer/test_booking.py", "tests/portal/web/test_routes.py"),
    ),
    (
        r"pbx_bridge/archive/keeper_release\.py::ReleaseSide\.(hand_over_proven|viewed)",
        (
            "tests/portal/web/test_viewing.py",
            "tests/portal/web/test_signing_in.py",
            "tests/portal/web/test_player.py",
        ),
    ),
    (r"pbx_bridge/app_training\.py", ("tests/portal/web/test_trainer.py",)),
    (r"pbx_bridge/portal/views\.py", ("tests/portal/test_views.py",)),
    (
        r"pbx_bridge/portal/(viewing|proofs|payload|web/player)\.py",
        (
            "tests/trainer/test_portal.py",
            "tests/portal/web/test_viewing.py",
            "tests/portal/web/test_watching.py",
            "tests/portal/web/test_player.py",
            "tests/portal/web/test_routes.py",
        ),
    ),
    (
        r"pbx_bridge/portal/web/trainer\.py",
        ("tests/portal/web/test_routes.py", "tests/portal/web/test_trainer.py"),
    ),
    (
        r"pbx_bridge/portal/web/\w+\.py",
        ("tests/portal/web/test_signing_in.py", "tests/portal/web/test_routes.py"),
    ),
    (
        r"pbx_bridge/(rights/rules\.py::objects|archive/keeper_room\.py::Room\.in_force)"
        r"|pbx_bridge/archive/keeper_rights\.py::RightsSide\.(open_own|take_back)|pbx_bridge/wire_rights\.py::take_back_text",
        ("tests/rights/test_objecting.py",),
    ),
    (
        r"pbx_bridge/archive/keeper_rights\.py",
        ("tests/rights/test_keeper_rights.py", "tests/rights/test_exports.py"),
    ),
    (
        r"pbx_bridge/archive/(keeper_notes|notebook)\.py|pbx_bridge/archive/release\.py::(may_write_note|is_note_of)",
        ("tests/archive/test_notes.py",),
    ),
    (
        r"pbx_bridge/archive/keystore\.py::KeyStore\.destroy",
        ("tests/archive/test_notes.py", "tests/archive/test_retention.py", *KEEPER),
    ),
    (
        r"pbx_bridge/portal/web/player\.py::PlayerPages\._fetch",
        ("tests/portal/web/test_fetching.py",),
    ),
    (
        r"pbx_bridge/archive/(release|rules)\.py",
        (
            "tests/archive/test_release.py",
            "tests/archive/test_renewal.py",
            "tests/archive/test_retention.py",
            *KEEPER,
        ),
    ),
    (r"pbx_bridge/archive/keeper_\w+\.py", ("tests/archive", "tests/access/test_pairs.py")),
    (r"pbx_bridge/calls/switchboard\.py", (*CALLS, "tests/asterisk/test_translate.py")),
    (r"pbx_bridge/calls/\w+\.py", CALLS),
    (
        r"pbx_bridge/catalogue/\w+\.py",
        ("tests/catalogue/test_catalogue.py", "tests/catalogue/test_commands.py"),
    ),
    (r"pbx_bridge/cli_requests\.py", ("tests/rights/test_request_command.py",)),
    (r"pbx_bridge/cli_change\.py", ("tests/access/test_person_command.py",)),
    (r"pbx_bridge/cli_person\.py", ("tests/access/test_person_command.py",)),
    (r"pbx_bridge/config\w*\.py", ("tests/test_config.py",)),
    (r"pbx_bridge/ledger\.py", ("tests/test_ledger.py",)),
    (
        r"pbx_bridge/media/\w+\.py",
        ("tests/media/test_timeline.py", "tests/media/test_spans.py", "tests/media/test_recording.py"),
    ),
    (
        r"pbx_bridge/portal/payment\.py|pbx_bridge/portal/api\.py::Api\._payment",
        ("tests/portal/test_payment.py",),
    ),
    (r"pbx_bridge/portal/tokens\.py", ("tests/portal/test_tokens.py",)),
    (
        r"pbx_bridge/portal/guard\.py",
        ("tests/portal/test_token_command.py", "tests/portal/test_api_routes.py"),
    ),
    (r"pbx_bridge/portal/desks\.py", ("tests/trainer/test_booking.py",)),
    (
        r"pbx_bridge/portal/api\.py::Api\._rights\w*",
        ("tests/rights/test_own.py", "tests/rights/test_exports.py"),
    ),
    (
        r"pbx_bridge/programs\.py|pbx_bridge/window_rules\.py",
        ("tests/test_config.py", "tests/capture/test_guard.py"),
    ),
    (
        r"pbx_bridge/rights/(figures|facts|record)\.py",
        ("tests/rights/test_facts.py", "tests/rights/test_figures.py", "tests/rights/test_report.py"),
    ),
    (
        r"pbx_bridge/rights/(decide|rules)\.py",
        ("tests/rights/test_rules.py", "tests/rights/test_keeper_rights.py", "tests/rights/test_own.py"),
    ),
    (r"pbx_bridge/wire_rights\.py", ("tests/rights/test_keeper_rights.py", "tests/rights/test_exports.py")),
    (
        r"pbx_bridge/wire_portal\.py",
        ("tests/archive/test_keeper_approvals.py", "tests/trainer/test_approving.py"),
    ),
    (r"pbx_bridge/app_(freeswitch_\w+|pipes)\.py", ("tests/freeswitch",)),
    (r"pbx_bridge/app_voices\.py", ("tests/bridge/test_freeswitch.py", "tests/bridge/test_whole.py")),
    (r"pbx_bridge/app_(lines|doubts)\.py", ("tests/bridge/test_lines.py", "tests/bridge/test_whole.py")),
    (r"pbx_bridge/app_(freeswitch|voices)\.py", ("tests/bridge/test_freeswitch.py",)),
    (r"pbx_bridge/app\w*\.py", ("tests/bridge/test_whole.py",)),
    (r"pbx_bridge/stations/link\.py", ("tests/stations/test_link.py",)),
    (r"pbx_bridge/stations/registry\.py", ("tests/stations/test_server.py",)),
    (
        r"pbx_bridge/telephony/freeswitch/translate\w*\.py",
        ("tests/freeswitch/test_translate.py", "tests/freeswitch/test_stories.py"),
    ),
    (r"pbx_bridge/telephony/freeswitch/(taps?|pipes|recording)\.py", ("tests/freeswitch/test_tap.py",)),
    (r"pbx_bridge/telephony/freeswitch/link\.py", ("tests/freeswitch/test_link.py",)),
    (r"pbx_bridge/telephony/freeswitch/\w+\.py", ("tests/freeswitch",)),
    (r"pbx_bridge/telephony/asterisk/translate\.py", ("tests/asterisk/test_translate.py",)),
    (r"pbx_bridge/telephony/.*", ("tests/asterisk/test_numbers.py", "tests/asterisk/test_features.py")),
    (r"pbx_bridge/trainer/approving\.py", ("tests/trainer/test_approving.py",)),
    (r"pbx_bridge/trainer/bridge\.py::Bridge\.audit", ("tests/access/test_audit_reading.py",)),
    (
        r"pbx_bridge/trainer/bridge\.py::Bridge\.(export|erase|own|rights_requests)",
        ("tests/rights/test_own.py", "tests/rights/test_exports.py"),
    ),
    (r"pbx_bridge/trainer/\w+\.py", PORTAL),
    (
        r"pbx_bridge/training/\w+\.py",
        (
            "tests/training",
            "tests/catalogue/test_catalogue.py",
        ),
    ),
    (
        r"workstation_client/(agent|client|spool)\.py::(Agent|Spool)\.\w+",
        ("tests/stations/test_agent.py", "tests/stations/test_cut.py"),
    ),
    (
        r"workstation_client/client\.py",
        (
            "tests/stations/test_own_commands.py",
            "tests/stations/test_notice_page.py",
            "tests/stations/test_conversation.py",
        ),
    ),
    (
        r"workstation_client/cli\.py",
        ("tests/stations/test_own_commands.py", "tests/stations/test_notice_page.py"),
    ),
    (r"workstation_client/capture/x11\w*\.py", ("tests/capture/test_x11.py",)),
    (
        r"workstation_client/guard\.py",
        ("tests/capture/test_guard.py", "tests/capture/test_pause_titles.py", "tests/capture/test_masks.py"),
    ),
    (r"workstation_client/screen_saver\.py", ("tests/capture/test_x11.py", "tests/stations/test_desk.py")),
    (r"workstation_client/pacing\.py", ("tests/capture/test_pacing.py",)),
    (r"workstation_client/recorder\.py", ("tests/capture/test_recorder.py",)),
    (
        r"workstation_client/reel\.py",
        (
            "tests/capture/test_quarantine.py",
            "tests/capture/test_reel.py",
            "tests/capture/test_pause_titles.py",
        ),
    ),
    (
        r"pbx_bridge/(access|archive)/\w+\.py",
        ("tests/access/test_approvals.py", "tests/archive/test_retention.py", *KEEPER),
    ),
    (r"pbx_bridge/rights/\w+\.py", ("tests/rights/test_rules.py", "tests/rights/test_keeper_rights.py")),
    (r"pbx_bridge/portal/web/\w+\.py", ("tests/portal/web/test_routes.py",)),
    (r"pbx_bridge/portal/\w+\.py", PORTAL),
    (
        r"pbx_bridge/stations/\w+\.py",
        ("tests/stations/test_server.py", "tests/stations/test_conversation.py"),
    ),
)
"""A pattern of `file::Class.function`, and the files of tests, or folders of them. The first that matches counts."""
EQUIVALENT: Final[dict[str, dict[str, str]]] = {
    "pbx_bridge/portal/web/own_rights.py::OwnRights._copy": {
        "without: answer.headers.update(HEADERS)": "the copy says itself that nobody stores it; the others are about pages"
    }
}
"""`file::function` -> what is changed -> why this change changes nothing a rule is about."""


def chosen_tests(function: RuleFunction) -> list[str]:
    """The files that are asked, in their order; none when nobody thought of this function yet."""
    for pattern, tests in TESTS:
        if re.fullmatch(rf"(?:{pattern})(?:::.*)?", function.key):
            return [file for name in tests for file in _files(name)]
    return []


def _files(name: str) -> list[str]:
    if name.endswith(".py"):
        return [name]
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / name).rglob("test_*.py"))
