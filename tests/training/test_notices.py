"""What is told follows what is configured: everything that matters is in the text, and any change of it changes the hash."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from pbx_bridge import cli_notice, wire
from pbx_bridge.app_doctor import told
from pbx_bridge.app_notices import callers_notices, councils_note, customers_notice, trainees_notice
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import ENDPOINTS_LIMIT, Enrolled
from pbx_bridge.config import (
    Bridge,
    Compliance,
    Config,
    Controller,
    NoticeEntry,
    RecordingRules,
)
from pbx_bridge.config_pbx import Asterisk
from pbx_bridge.config_section import Address
from pbx_bridge.errors import OperatorError
from pbx_bridge.training.notice_texts import Language
from pbx_bridge.training.notices import (
    Consulted,
    Terms,
    caller_notice,
    council_note,
    text_hash,
    trainee_notice,
)
from pbx_bridge.training.plans import Application, Mask, Need, Seat, Trainer
from tests.calls.story import ALICE, BOB, TRAINEES, plan

LANGUAGES: tuple[Language, ...] = get_args(Language)
TERMS = Terms(30, 24, 10, "Menuiserie Lenoir", "dpo@lenoir.example", "Mme Diallo")
TODAY = date(2026, 11, 23)
APPLICATION = plan().applications[0]

PLAN_CHANGES: dict[str, Any] = {
    "id": "alice-other",
    "applications": (replace(APPLICATION, name="mail"),),
    "need": Need.BACK_AFTER_ABSENCE,
    "trainer": "berta",
    "approver": "dora",
    "first_day": date(2026, 11, 2),
    "last_day": date(2026, 11, 30),
    "ended_on": date(2026, 11, 25),
    "trainee": "bea",
    "seat": Seat(login="colleague"),
    "rate": 0.051,
    "recordings_per_week": 3,
    "minutes_per_week": 19,
}
TERMS_CHANGES: dict[str, Any] = {
    "retention_days": 29,
    "trainee_first_hours": 25,
    "fps": 11,
    "controller": "Autre",
    "contact": "other@lenoir.example",
    "officer": "",
    "private_code": "*7",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("field", PLAN_CHANGES)
def test_a_change_of_the_plan_changes_what_its_trainee_is_told(field: str, language: Language) -> None:
    changed = replace(plan(), **{field: PLAN_CHANGES[field]})
    assert trainee_notice(plan(), TERMS, language) != trainee_notice(changed, TERMS, language)
    assert trainee_notice(plan(), TERMS, language) == trainee_notice(replace(plan()), TERMS, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_names_whom_it_is_for(language: Language) -> None:
    """P14: by name, login, devices and the name in the queue, each of them seen."""
    seat = Seat(("PJSIP/202", "PJSIP/201"), "Alice M", "amartin")
    text = trainee_notice(replace(plan(), seat=seat), TERMS, language)
    (line,) = [
        one
        for one in text.splitlines()
        if one.startswith({"fr": "Pour : alice ", "en": "For: alice "}[language])
    ]
    for word in ("amartin", "PJSIP/201, PJSIP/202", "Alice M"):
        assert word in line
    bare = trainee_notice(plan(), TERMS, language)
    assert line not in bare
    assert " -;" in bare or " - ;" in bare


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("field", TERMS_CHANGES)
def test_a_change_of_the_terms_changes_what_everybody_is_told(field: str, language: Language) -> None:
    changed = replace(TERMS, **{field: TERMS_CHANGES[field]})
    assert trainee_notice(plan(), TERMS, language) != trainee_notice(plan(), changed, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_article_13_is_in_the_notice(language: Language) -> None:
    text = trainee_notice(plan(rate=0.05), TERMS, language)
    for word in (
        *("Menuiserie Lenoir", "dpo@lenoir.example", "Mme Diallo", "orders", "Orders", "5 %", "2026-11-01"),
        *("2026-12-01", "bruno", "carla", "24 h", "30 ", "14 ", "7 ", "12 m", "art. 6", "CNIL", "*6"),
    ):
        assert word in text, word
    assert "{" not in text
    assert text.count(TERMS.contact) == 2


def test_masks_and_pauses_are_told() -> None:
    hidden = replace(APPLICATION, masks=(Mask(0, 0, 9, 9),), pause_titles=("Pay",), title="Order")
    text = trainee_notice(replace(plan(), applications=(hidden,)), TERMS, "en")
    assert "(window Orders, some titles only, parts always hidden: 1, titles that pause: 1)" in text
    assert "always hidden" not in trainee_notice(plan(), TERMS, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_notice_fits_into_its_message(language: Language) -> None:
    widest = tuple(
        Application(
            f"{'n' * 62}{number:02}",
            "/" + "x" * 1000,
            None,
            "W" * 128,
            "T",
            None,
            (Mask(0, 0, 9, 9),) * 16,
            ("p",) * 16,
        )
        for number in range(wire.MAX_APPLICATIONS)
    )
    terms = replace(TERMS, controller="c" * 200, contact="d" * 200, officer="o" * 200)
    seat = Seat(tuple(f"{'T' * 16}/{'d' * 62}{n:02}" for n in range(ENDPOINTS_LIMIT)), "m" * 80, "l" * 128)
    text = trainee_notice(replace(plan(), applications=widest, seat=seat), terms, language)
    assert len(text) <= 8000


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_site_did_not_say_is_said_to_be_missing(language: Language) -> None:
    missing = {"fr": "non renseigné", "en": "not given"}[language]
    assert missing in trainee_notice(plan(), Terms(30, 24, 10), language)
    assert missing not in trainee_notice(plan(), TERMS, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_councils_note_counts_and_names_nobody(language: Language) -> None:
    trainers = (Trainer("bruno", 90), Trainer("idle", 600))
    over = replace(plan(), id="old", first_day=date(2025, 1, 1), last_day=date(2025, 2, 1), rate=0.2)
    wide = replace(plan(BOB, 0.1), need=Need.NEW_APPLICATION, minutes_per_week=45, recordings_per_week=4)
    consulted = Consulted("DPIA 7", "CSE 12 May", date(2026, 5, 12))
    note = council_note((over, plan(rate=0.05), wide), trainers, TERMS, consulted, TODAY, language)
    for word in (
        "DPIA 7",
        "CSE 12 May",
        "2026-05-12",
        "10 %",
        " 4 ",
        "45 minutes",
        "90 minutes",
        "173",
        "orders",
        "Lenoir",
    ):
        assert word in note, word
    assert "{" not in note
    assert "20 %" not in note, "a plan that is over"
    for person in (ALICE, BOB, "bruno", "carla", "idle"):
        assert person not in note
    ended = replace(plan(rate=0.05), ended_on=TODAY)
    for plans, said in (((ended,), "0"), ((plan(),), "1")):  # said without a plural
        found = re.search(
            r"(?:plans at present|plans en cours), (\d+) ?;",
            council_note(plans, trainers, TERMS, None, TODAY, language),
        )
        assert found is not None
        assert found[1] == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_caller_hears_who_why_and_which_key(language: Language) -> None:
    text = caller_notice(TERMS, language)
    assert text.startswith("Menuiserie Lenoir. ")
    star = {"fr": "étoile 9", "en": "star 9"}[language]
    assert " 9 " in text or " 9," in text
    assert star in text
    assert "*" not in text, "it is read aloud"
    assert caller_notice(Terms(30, 24, 10), language) in text
    assert star.replace("9", "8") in caller_notice(replace(TERMS, objection_code="*8"), language)


def site(tmp_path: Path, **more: Any) -> Config:
    return Config(
        bridge=Bridge(state_dir=tmp_path, run_dir=tmp_path, language="en"),
        asterisk=Asterisk(
            ami=Address(host="127.0.0.1", port=1), ami_secret_file=tmp_path, ari_secret_file=tmp_path
        ),
        compliance=Compliance(
            impact_assessment="DPIA 7", works_council="CSE 12 May", dated=date(2026, 5, 12)
        ),
        controller=Controller(name="Menuiserie Lenoir", contact="dpo@lenoir.example"),
        **more,
    )


ENROLLED = Enrolled(TRAINEES, (Trainer("bruno", 90),), plan().applications, (plan(),))


def test_one_source_for_all_three(tmp_path: Path) -> None:
    config = site(tmp_path, recording=RecordingRules(retention_days=21))
    notice = trainees_notice(config, ENROLLED, ALICE, TODAY)
    assert notice is not None
    assert notice.text == trainee_notice(plan(), replace(TERMS, retention_days=21, officer=""), "en")
    assert "21 days" in notice.text
    councils = councils_note(config, ENROLLED, TODAY)
    assert "21 days" in councils
    assert "DPIA 7" in councils
    assert councils_note(config, ENROLLED, TODAY, "fr") != councils
    undeclared = config.model_copy(update={"compliance": None})
    assert councils_note(undeclared, ENROLLED, TODAY) != councils
    assert "DPIA 7" not in councils_note(undeclared, ENROLLED, TODAY)
    assert "Menuiserie Lenoir" in callers_notices(config)[0].text
    french = trainees_notice(config, ENROLLED, ALICE, TODAY, "fr")
    assert french is not None
    assert french.language == "fr"
    assert wire.notice_hash(french) != wire.notice_hash(notice)
    assert trainees_notice(config, ENROLLED, BOB, TODAY) is None
    assert trainees_notice(config, ENROLLED, ALICE, TODAY + timedelta(days=30)) is None


def test_a_sites_own_words_are_spoken_as_they_stand(tmp_path: Path) -> None:
    own = "This call may be recorded. Press 9 to object."
    config = site(
        tmp_path,
        notice=(NoticeEntry(language="en", sound="own", text=own), NoticeEntry(language="fr", sound="fr")),
    )
    first, second = callers_notices(config)
    assert (first.text, first.text_hash) == (own, text_hash(own))
    assert second.text == caller_notice(replace(TERMS, officer=""), "fr")
    with pytest.raises(ValueError, match="word for word"):
        NoticeEntry(language="en", sound="own", text="Press 9.")


def test_a_customer_who_is_called_hears_the_bridges_language_or_the_first_there_is(tmp_path: Path) -> None:
    """P16."""
    english, french = NoticeEntry(language="en", sound="en"), NoticeEntry(language="fr", sound="fr")
    said = [
        customers_notice(site(tmp_path, notice=notices)).language
        for notices in ((english, french), (french, english), (english,), (french,))
    ]
    here = site(tmp_path).bridge.language
    assert said == [here, here, "en", "fr"]


def test_the_commands_print_what_is_in_force(tmp_path: Path) -> None:
    config = site(tmp_path)
    catalogue = Catalogue.open(config.catalogue)
    today = datetime.now().astimezone().date()
    current = replace(plan(), first_day=today, last_day=today)
    with catalogue.change() as change:
        change.add_application(APPLICATION)
        change.add_trainer(Trainer("bruno", 90))
        change.add_trainee(TRAINEES[0])
        current = change.add_plan(current)
    catalogue.close()
    app = typer.Typer()
    cli_notice.add_to(app, lambda: config)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["notice", *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    terms = replace(TERMS, officer="")
    assert run("trainee", "alice") == trainee_notice(current, terms, "en")
    assert run("trainee", "alice", "--language", "fr") == trainee_notice(current, terms, "fr")
    notice = trainees_notice(config, Enrolled(TRAINEES, (), (), (current,)), ALICE, today)
    assert notice is not None
    assert json.loads(run("trainee", "alice", "--json"))["hash"] == wire.notice_hash(notice)
    assert "90 minutes a week in all" in run("council")
    assert caller_notice(terms, "fr") in run("caller", "--language", "fr")
    assert [one["language"] for one in json.loads(run("caller", "--json"))] == ["fr", "en"]
    with pytest.raises(OperatorError, match="no plan of this trainee"):
        run("trainee", "bob")
    with pytest.raises(OperatorError, match="fr or en"):
        run("council", "--language", "de")


def test_doctor_misses_a_controller_and_a_key(tmp_path: Path) -> None:
    config = site(tmp_path)
    assert told(config).good
    assert not told(config.model_copy(update={"controller": None})).good
    silent = NoticeEntry(language="en", sound="own", text="This call may be recorded.")
    assert not told(config.model_copy(update={"notice": (silent,)})).good
