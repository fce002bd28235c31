"""The running bridge as its callers, trainees and administrators meet it: what joins the parts keeps the rules too."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import Request, urlopen

import pytest
from structlog.testing import capture_logs

from pbx_bridge.app import random_roll
from pbx_bridge.app_places import tls_of, tokens_of
from pbx_bridge.archive.retention_wire import Stands
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.commands import Command
from pbx_bridge.calls.desk import Desk
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.portal.tokens import Purpose
from pbx_bridge.training.plans import plan_digest
from pbx_bridge.wire import notice_hash
from pbx_bridge.wire_program import HEALTH_PATH
from tests.bridge.whole import Whole, accept, becomes, whole
from tests.stations.rig import until
from workstation_client.events import PaymentBegan, PaymentEnded

Patch: TypeAlias = pytest.MonkeyPatch


async def test_a_call_is_recorded_and_has_its_line(tmp_path: Path, monkeypatch: Patch) -> None:
    """P11: its one decision is said before anything is captured, under the ledger's name of the call."""
    async with whole(tmp_path, monkeypatch) as site:
        with capture_logs() as logs:
            call = await site.recording()
            call.ends()
            assert await site.answered() == [("recorded", "hung-up")]
        await until(lambda: [name[-4:] for name in site.sealed()] == [".age"])
        said = [entry["event"] for entry in logs if entry["event"] in ("decided", "filming")]
        assert said == ["decided", "filming"]
        (decided,) = (entry for entry in logs if entry["event"] == "decided")
        assert (decided["call"], decided["decision"]) == (site.lines()[-1]["call"], "slot")


async def test_monitoring_learns_that_the_pbx_is_not_linked(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        token = tokens_of(site.config).make("watch", Purpose.MONITORING)
        context = ssl.create_default_context(cafile=tls_of(site.config).ca_cert)
        url = f"https://localhost:{site.config.portal.listen.port}{HEALTH_PATH}"
        request = Request(url, headers={"Authorization": f"Bearer {token}"})

        async def linked() -> object:
            def asked() -> Any:
                with urlopen(request, timeout=10, context=context) as answer:
                    return json.load(answer)

            said = await asyncio.to_thread(asked)
            assert said["keeper"]
            assert said["clock"]
            return said["pbx"], said["nothing_recorded"]

        assert await linked() == (True, [])
        site.pbx.tell(fa.LinkDown(time.monotonic_ns(), "eof"))
        assert await linked() == (False, ["link-lost"])
        site.pbx.tell(fa.LinkUp(time.monotonic_ns(), ()))
        assert await linked() == (True, [])


def test_each_draw_is_another_number() -> None:
    """P11: from the system's source, in [0, 1)."""
    drawn = {random_roll() for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(0 <= number < 1 for number in drawn)
    assert sum(number < 0.05 for number in drawn) < 200


# ---- P13, P14: what a command changes


async def test_a_changed_plan_is_told_and_holds_at_once(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch, acknowledged=False) as site:
        await until(lambda: site.offered is not None)
        assert await site.tried() == "not-acknowledged"
        await accept(site)
        await site.is_recorded()
        with site.administrator() as change:
            change.change_plan(replace(site.plan(), recordings_per_week=4))
        await until(lambda: site.offered is not None)
        assert site.offered is not None
        assert "4" in site.offered.text
        with capture_logs() as logs:
            assert await site.tried() == "not-approved"
        assert [entry["decision"] for entry in logs if entry["event"] == "decided"] == ["not-approved"]
        assert len(site.catalogue.enrolled().plans) == 1


async def test_the_page_shows_the_notice_the_workstation_asks_to_acknowledge(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """P14: in the reader's language, one hash for all; nothing for whom there is none."""
    async with whole(tmp_path, monkeypatch, acknowledged=False) as site:
        await until(lambda: site.offered is not None)
        assert site.offered is not None
        french, english = (site.bridge._parts._told("alice", language) for language in ("fr", "en"))
        assert french is not None
        assert english is not None
        assert french.notice == english.notice == notice_hash(site.offered)
        assert {"fr": french, "en": english}[site.config.bridge.language].text == site.offered.text
        assert "enregistr" in french.text
        assert "record" in english.text
        assert "enregistr" not in english.text
        assert site.bridge._parts._told("nobody", "fr") is None


async def test_a_plan_that_is_ended_ends_its_approval_too(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        digest = plan_digest(site.plan())
        assert digest in await site.home.link.approvals()
        with site.administrator() as change:
            change.end_plan(site.plan().id)

        async def is_approved() -> bool:
            return digest in await site.home.link.approvals()

        await becomes(is_approved, False)
        assert await site.tried() == "plan-ended"


async def test_a_station_belongs_to_whoever_has_its_login_now(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        await site.is_recorded()
        (alice,) = site.catalogue.enrolled().trainees
        with capture_logs() as logs:
            with site.administrator() as change:
                change.change_trainee(replace(alice, login="somebody-else"))
            await until(lambda: any("login is enrolled" in entry["event"] for entry in logs))
        assert await site.tried() != "hung-up"
        with site.administrator() as change:
            change.change_trainee(alice)
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


async def test_what_a_hand_wrote_past_the_commands_is_not_used(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        with site.hand() as rows:
            rows.execute("UPDATE plans SET rate = 0.9")
        await becomes(site.tried, "no-plan")
        with site.hand() as rows:
            rows.execute("UPDATE plans SET rate = 0.05")
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


async def test_while_the_catalogue_cannot_be_read_nothing_new_is_recorded(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        with site.hand() as rows:
            rows.execute("ALTER TABLE plans RENAME TO plants")
        await becomes(site.tried, "no-plan")
        with site.hand() as rows:
            rows.execute("ALTER TABLE plants RENAME TO plans")
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


# ---- P7: somebody announces a payment


async def test_an_announced_payment_pauses_the_film_until_it_is_over(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        orders = site.here.recorder.orders
        assert not site.bridge.on_payment("alice", True), "no call yet"
        call = await site.recording()
        assert not site.bridge.on_payment("bob", True)
        assert "pause" not in orders
        assert site.bridge.on_payment("alice", True)
        await until(lambda: orders.count("pause") == 1)
        assert site.bridge.on_payment("alice", False)
        await until(lambda: orders.count("resume") == 1)
        call.ends()
        assert await site.answered() == [("recorded", "hung-up")]


async def test_a_payment_a_window_tells_of_counts_from_when_it_told(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Not from when its word came: what was said and shown in between may not be kept."""
    stamps: list[int] = []
    told = Desk.payment_shown

    def payment_shown(desk: Desk, recording: RecordingId, at_ns: int, *, began: bool) -> list[Command]:
        stamps.append(at_ns)
        return told(desk, recording, at_ns, began=began)

    monkeypatch.setattr(Desk, "payment_shown", payment_shown)
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording()
        recorder = site.here.recorder
        assert recorder.recording is not None
        began_ns = time.monotonic_ns() - 150_000_000
        recorder._on_event(PaymentBegan(recorder.recording, began_ns))
        await until(lambda: len(stamps) == 1)
        assert stamps[0] <= began_ns
        recorder._on_event(PaymentEnded(recorder.recording, time.monotonic_ns()))
        await until(lambda: recorder.orders.count("resume") == 1)
        call.ends()
        assert await site.answered() == [("recorded", "hung-up")]


# ---- P16: objections


HASH = "5" * 32


async def test_an_objection_destroys_what_exists_and_is_kept(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording(numbers=(HASH,))
        assert site.sealed() != []
        recording, station = site.here.recorder.recording, site.here.client.agent
        assert recording is not None
        assert station.spool.holds(parse_recording_id(recording))
        call.objects()
        await until(lambda: site.sealed() == [])
        await until(lambda: station.spool.size_bytes == 0 and station.recording is None)
        call.ends()
        assert await site.answered() == [("discarded", "objection")]
        await until(lambda: [entry.value for entry in site.numbers()] == [HASH])
        await until(lambda: site.pbx.forgot == 1)
        site.call().rings((HASH,)).answers().ends()
        assert (await site.answered(2))[-1] == ("not-recorded", "opted-out")
        await site.is_recorded()


async def test_an_objection_reaches_what_an_earlier_run_recorded(tmp_path: Path, monkeypatch: Patch) -> None:
    """The caller is still on the line, with somebody else; the bridge was restarted meanwhile."""
    async with whole(tmp_path, monkeypatch) as site:
        await site.is_recorded()
        call = await site.recording()
        call.agent_leaves()
        await site.answered(2)
        await until(lambda: len(site.sealed()) == 2)
        await site.restart(call.customer)
        assert len(site.sealed()) == 2
        call.objects()
        await until(lambda: len(site.sealed()) == 1)
        await until(lambda: site.pbx.forgot == 1)
        await until(lambda: site.lines()[-1]["reason"] == "objection")
        assert site.lines()[-1]["outcome"] == "discarded"
        kept = [line["recording"] for line in site.lines() if line["call"] == site.lines()[0]["call"]]
        assert [name.partition(".")[0] for name in site.sealed()] == kept[-1:]


async def test_an_objection_of_a_call_that_is_over_when_the_bridge_is_back_holds_for_later_calls_too(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """The PBX noted the channel alone: whose number it had, the recording's note knows."""
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording(numbers=(HASH,))
        call.ends()
        await site.answered()
        await until(lambda: [name[-4:] for name in site.sealed()] == [".age"])
        await site.restart()
        assert site.numbers() == ()
        call.objects()
        await until(lambda: site.sealed() == [])
        await until(lambda: [entry.value for entry in site.numbers()] == [HASH])
        await until(lambda: site.pbx.forgot == 1)


@pytest.mark.parametrize("bridge_dies", [False, True])
async def test_an_objection_outlives_a_keeper_that_does_not_answer_and_a_bridge_that_dies_meanwhile(
    bridge_dies: bool, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Until the key is destroyed the PBX keeps what was said, the note stays, and the bridge remembers what it is to do."""
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording()
        call.agent_leaves()
        await site.answered()
        await until(lambda: [name[-4:] for name in site.sealed()] == [".age"])
        (recording,) = (parse_recording_id(name[:-4]) for name in site.sealed())
        assert await site.home.link.standing([recording]) == (Stands.KEPT,)
        site.home.end_keeper()
        call.objects()
        await until(lambda: site.sealed() == [])
        assert site.pbx.forgot == 0
        assert [noted.recording for noted in site.catalogue.recordings.all()] == [recording]
        if bridge_dies:
            await site.stop()
        await site.home.restart_keeper()
        if bridge_dies:
            await site.serve()
        else:
            await until(lambda: site.pbx.forgot == 1)
            await until(lambda: site.catalogue.recordings.all() == ())
        assert await site.home.link.standing([recording]) == (Stands.DESTROYED,)


async def test_an_objection_that_cannot_be_written_is_written_later(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        folder, away = site.config.bridge.state_dir / "numbers", site.config.bridge.state_dir / "away"
        call = site.call().rings((HASH,)).answers()
        folder.rename(away)
        folder.write_text("")
        with capture_logs() as logs:
            call.objects()
            await until(lambda: any(entry["event"] == "an objection is not kept yet" for entry in logs))
        folder.unlink()
        away.rename(folder)
        await until(lambda: [entry.value for entry in site.numbers()] == [HASH])
        call.ends()


async def test_a_recording_that_cannot_be_noted_does_not_go_on(tmp_path: Path, monkeypatch: Patch) -> None:
    """An objection could not find it later."""
    async with whole(tmp_path, monkeypatch) as site:
        with site.hand() as rows:
            rows.execute("ALTER TABLE recordings RENAME TO kept")
        call = site.call().rings().answers()
        assert (await site.answered())[0][1] == "disk"
        await until(lambda: site.sealed() == [])
        assert await site.tried() == "disk", "nothing else begins"
        with site.hand() as rows:
            rows.execute("ALTER TABLE kept RENAME TO recordings")
        call.ends()
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


# ---- P19, P20, P24: what must work, or nothing is recorded


async def test_a_line_the_ledger_owes_is_written_when_the_disk_has_room(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        await site.is_recorded()
        ledger, away = site.config.bridge.state_dir / "ledger", site.config.bridge.state_dir / "away"
        call = site.call().rings()
        ledger.rename(away)
        ledger.write_text("")
        with capture_logs() as logs:
            call.ends()
            await until(lambda: any("until the disk has room" in entry["event"] for entry in logs))
        ledger.unlink()
        away.rename(ledger)
        await until(lambda: len(site.answers()) == 2)
        assert site.answers()[-1] == ("not-recorded", "no-answer")
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


async def test_while_the_audit_log_cannot_be_written_nothing_is_recorded(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording()
        (segment,) = (site.home.folder / "keeper" / "audit").glob("*.jsonl")
        segment.rename(segment.with_suffix(".away"))
        await until(lambda: site.here.recorder.recording is None)
        assert await site.tried() == "audit"
        segment.with_suffix(".away").rename(segment)
        assert set(await site.answered(2)) == {("not-recorded", "audit"), ("recorded", "audit")}
        call.ends()  # a second line beside it would be a third party
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


async def test_while_the_clock_is_in_doubt_nothing_is_recorded(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        call = await site.recording()
        await site.doubt()
        assert await site.answered() == [("recorded", "clock")]
        call.ends()  # a second line beside it would be a third party
        assert await site.tried() == "clock"
        await site.home.link.confirm_clock()
        await becomes(site.tried, "too-few-pictures")
        await site.is_recorded()


async def test_a_trainee_sees_who_opened_what_is_theirs(tmp_path: Path, monkeypatch: Patch) -> None:
    async with whole(tmp_path, monkeypatch) as site:
        await site.is_recorded()
        (name,) = site.sealed()
        recording = parse_recording_id(name.partition(".")[0])
        assert await opened(site, recording) == []
        await site.here.client.answer({"do": "hand-over", "recording": recording})
        assert await opened(site, recording) == ["hand-over"]
        site.home.end_keeper()
        with pytest.raises(OperatorError, match="keeper"):
            await site.here.client.answer({"do": "accesses", "before": 0})


async def opened(site: Whole, recording: str) -> list[str]:
    seen: Any = await site.here.client.answer({"do": "accesses", "before": 0})
    return [one["act"] for one in seen["accesses"] if one["recording"] == recording]
