"""`pbx-bridge doctor`: asks every part the bridge depends on, and says what is wrong and what to do.

It opens connections and reads folders; it changes nothing, and it repeats no secret.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from datetime import UTC, datetime

from pbx_bridge import memory
from pbx_bridge.app_approvals import approvals_say, of_use
from pbx_bridge.app_doctor_pbx import examine_pbx
from pbx_bridge.app_finding import Finding, may_read
from pbx_bridge.app_notices import callers_notices
from pbx_bridge.app_places import catalogue_of, given_of, keeper_socket, tokens_of
from pbx_bridge.app_retention import last_count
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keeper_wire import KeeperStatus
from pbx_bridge.archive.rules import IDENTITY_DAYS
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.given import given_says, read_given
from pbx_bridge.portal.tokens import DAY_S
from pbx_bridge.rights.rules import requests_say
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

FREE_FLOOR_BYTES = 2 << 30
"""A busy hour is about 500 MB; below this a full disk is near."""
TOKEN_ENDS_DAYS = 30
LATE_DAYS = 7
"""A machine may be off for so long, or its clock in doubt, before somebody has to look."""


async def examine(config: Config) -> list[Finding]:
    """Every finding, good ones too."""
    findings = [Finding("configuration", True, "every key is understood"), _catalogue(config), told(config)]
    findings += [_space(config), _swap(), *await examine_pbx(config.pbx)]
    findings += [await examine_keeper(config), await _approvals(config), _counted(config)]
    findings += [await _requests(config), _tokens(config), *_given(config)]
    return findings


def _catalogue(config: Config) -> Finding:
    """P13: what a hand wrote past the commands is not used, and said here."""
    try:
        with closing(catalogue_of(config, dry_run=True)) as catalogue:
            enrolled, wrong = catalogue.read()
    except OperatorError as error:
        return Finding("catalogue", False, str(error))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Finding("catalogue", False, f"not used: {wrong[0].error()}{more}")
    return Finding("catalogue", True, f"{len(enrolled.plans)} plans, {len(enrolled.trainees)} trainees")


def told(config: Config) -> Finding:
    """P14, P16: whether what trainees and callers are told is whole."""
    if config.controller is None and not config.bridge.demonstration:
        says = "nobody is named to whom people turn: add [controller] with name and contact (GDPR art. 13)"
        return Finding("notices", False, says)
    for notice in callers_notices(config):
        key = config.pbx.notice_key
        if key not in notice.text:
            says = f"the announcement {notice.sound} does not say that {key} objects"
            return Finding("notices", False, f"{says}: word it as pbx-bridge notice caller does")
    return Finding("notices", True, f"{len(config.notice)} announcements; pbx-bridge notice shows all texts")


def _tokens(config: Config) -> Finding:
    """P7: a token for payments that ended pauses nothing, and nobody sees it."""
    tokens = tokens_of(config)
    held, soon = tokens.all(), time.time() + TOKEN_ENDS_DAYS * DAY_S
    lasting = [one for one in held if one.token.ends_at - one.token.made_at >= DAY_S]  # no command's own
    late = [one.name for one in lasting if one.token.ends_at <= soon]
    if late:
        says = f"the token of {', '.join(sorted(late))} has ended or ends within {TOKEN_ENDS_DAYS} days"
        return Finding("tokens", False, f"{says}: make another, pbx-bridge token add --help")
    return Finding("tokens", True, f"{len(lasting)} programs have one; pbx-bridge token list")


def _given(config: Config) -> list[Finding]:
    """The certificate browsers get, where the site gives one: as `serve` reads it, and what the bridge's user may read."""
    given = given_of(config)
    if given is None:
        return []
    try:
        now = datetime.now(UTC)
        good, says = given_says(read_given(given, config.stations.names, now), now)
        user = config.bridge.user
        for path in (given.cert, given.key):
            if not may_read(path, user):
                good, says = False, f"{path}: {user} may not read it: chgrp {user}, chmod 640"
    except OperatorError as error:
        good, says = False, str(error)
    return [Finding("portal's certificate", good, says)]


def _space(config: Config) -> Finding:
    folder = config.bridge.state_dir
    if not folder.exists():
        return Finding("disk", False, f"{folder} does not exist: start the bridge once, or check state_dir")
    free = shutil.disk_usage(folder).free
    return Finding("disk", free >= FREE_FLOOR_BYTES, f"{free / 2**30:.1f} GiB free at {folder}")


def _swap() -> Finding:
    """P17: as `serve` will, by locking this process's own memory or looking at the swap."""
    memory.allow_locking()
    try:
        return Finding("swap", True, memory.lock_or_keep_off_swap())
    except OperatorError as error:
        return Finding("swap", False, str(error))


def _counted(config: Config) -> Finding:
    """P20: whether the last daily count of keys and files agreed."""
    folder = config.bridge.state_dir / "retention"
    try:
        count = last_count(folder)
    except (OSError, Malformed) as error:
        return Finding("count of recordings", False, f"{folder}/count.json cannot be read: {error}")
    if count is None:
        return Finding("count of recordings", True, "not taken yet: the bridge takes it at its start")
    if not count.wrong:
        text = f"{count.recorded} recorded - {count.destroyed} destroyed = {count.present} present"
        return Finding("count of recordings", True, f"{text}, and each has its file")
    wrong = {
        "keys are missing": count.missing,
        "keys of destroyed recordings were there again (destroyed once more)": count.risen,
        "keys were never recorded here": count.unknown,
        "files are missing": count.files_missing,
        "files belong to no known recording": count.files_unknown,
    }
    says = "; ".join(f"{number} {what}" for what, number in wrong.items() if number)
    advice = "the audit log names them (act reconcile); docs/operations.md, Retention, says what to do"
    return Finding("count of recordings", False, f"{says}: {advice}")


async def _approvals(config: Config) -> Finding:
    """P22: what waits for a second person."""
    try:
        async with KeeperLink(keeper_socket(config)) as link:
            people, approved = await link.everyone(), await link.approvals()
            refused = frozenset(one.digest for one in await link.turned_down())
            # approved, though its trainee objects: that waits for the controller and stands under "requests"
            approved |= {plan.digest for plan in await link.approved_plans()}
        with closing(catalogue_of(config, dry_run=True)) as catalogue:
            enrolled = sound(catalogue.enrolled())
    except (KeeperUnreachable, Refused, OperatorError) as error:
        return Finding("approvals", False, str(error))
    plans = of_use(enrolled.plans, datetime.now().astimezone().date())
    return Finding("approvals", *approvals_say(people, approved, plans, enrolled.trainers, refused))


async def _requests(config: Config) -> Finding:
    """P23: whether a person waits longer than the law allows."""
    try:
        async with KeeperLink(keeper_socket(config)) as link:
            requests = await link.all_requests()
    except (KeeperUnreachable, Refused) as error:
        return Finding("requests", False, str(error))
    return Finding("requests", *requests_say(requests, int(time.time())))


async def examine_keeper(config: Config) -> Finding:
    """P19, P20: whether it answers an administrator, and what it says."""
    try:
        async with KeeperLink(keeper_socket(config)) as link:
            status, beat, fault = await link.status(), await link.pulse(), await link.audit_fault()
    except (KeeperUnreachable, Refused) as error:
        return Finding("keeper", False, f"{error}. Is the bridge running? Start it: pbx-bridge serve")
    return Finding("keeper", *keeper_says(status, beat.doubt, fault))


def keeper_says(status: KeeperStatus, doubt: str, audit_fault: str = "") -> tuple[bool, str]:
    """P19, P20: whether accesses can be recorded, retention goes on, and the keeper's own identity changes as it should."""
    if audit_fault:
        says = f"the audit log cannot be written ({audit_fault}): nothing is recorded or released (P19)"
        return False, f"{says}. See docs/operations.md, The audit log"
    if doubt:
        says = (
            f"the clock is in doubt ({doubt}): pbx-bridge clock show. Nothing is recorded, opened or purged"
        )
        return False, says
    if status.identity_days > IDENTITY_DAYS + LATE_DAYS:
        says = (
            f"the keeper's own identity is {status.identity_days} days old and should change each month (P20)"
        )
        return False, f"{says}: what the keeper logs says why"
    return True, f"{status.recordings} recordings, {status.audit_records} audit records"
