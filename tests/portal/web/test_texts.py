"""Both languages are whole, and what is committed is what its sources make."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from pbx_bridge.archive.release import Refusal
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.portal.web import rendering
from pbx_bridge.portal.web.rendering import HERE, Pages, assets, language_of
from pbx_bridge.portal.web.sentences import NEEDS, OUTCOMES, REASONS, REFUSALS, ROLES, STATES
from pbx_bridge.portal.web.times import zone
from pbx_bridge.training.plans import Need
from pbx_bridge.wire_portal import Role

PO = HERE / "locale" / "fr" / "LC_MESSAGES" / "portal.po"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}


def french() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale="fr", domain="portal")


def test_every_message_has_its_french_and_no_other_has() -> None:
    keywords = {"N_": None, "_": None, "gettext": None}
    found = {
        message
        for _, _, message, _, _ in extract_from_dir(HERE, METHODS, OPTIONS, keywords)
        if isinstance(message, str)
    }
    known = {str(message.id): str(message.string) for message in french() if message.id}
    assert len(found) > 150, "a control: messages are found"
    assert known.keys() == found
    for english, text in known.items():
        assert text, english
        assert set(re.findall(r"%\(\w+\)s", english)) == set(re.findall(r"%\(\w+\)s", text)), english


def test_the_compiled_catalogue_is_made_of_the_written_one() -> None:
    made = io.BytesIO()
    write_mo(made, french())
    assert PO.with_suffix(".mo").read_bytes() == made.getvalue()


@pytest.mark.parametrize(("name", "said"), [("Europe/Paris", "UTC+0"), ("America/St_Johns", "UTC-0")])
def test_a_page_says_the_zone_of_its_times(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        assert re.fullmatch(re.escape(said) + r"[123]:[03]0", zone())
    time.tzset()


def test_every_closed_word_has_its_sentence() -> None:
    assert REASONS.keys() == {reason.value for reason in Reason}
    assert {one.value for one in Outcome} < OUTCOMES.keys()
    assert NEEDS.keys() == {need.value for need in Need}
    assert ROLES.keys() == {role.value for role in Role}
    missing = {one.value for one in Refusal} - {"not-granted"}
    assert missing <= REFUSALS.keys()
    assert missing - {"unknown"} <= STATES.keys()


@pytest.mark.parametrize(
    ("chosen", "accepted", "default", "wanted"),
    [
        ("fr", "en", "en", "fr"),
        ("xx", "fr-FR,fr;q=0.9,en;q=0.8", "en", "fr"),
        (None, "de, en;q=0.5", "fr", "en"),
        (None, "de", "fr", "fr"),
        (None, "", "en", "en"),
        ("../fr", "*", "fr", "fr"),
    ],
)
def test_the_reader_chooses_then_their_browser_then_the_site(
    chosen: str | None, accepted: str, default: str, wanted: str
) -> None:
    assert language_of(chosen, accepted, default) == wanted


def test_a_page_shows_nothing_unescaped() -> None:
    bad = '"><script>alert(1)</script>'
    shown = {"session": None, "path": "/sign-in", "ahead": bad, "fault": bad, "name": bad, "undone": True}
    for language in rendering.LANGUAGES:
        text = bytes(Pages(assets()).page("sign_in.html", language, shown).body).decode()
        assert "<script>alert" not in text
        assert f'lang="{language}"' in text


def test_no_page_names_an_address_outside_or_a_style_or_script_of_its_own() -> None:
    for path in (HERE / "templates").iterdir():
        text = path.read_text()
        assert not re.search(r"https?://|<style|\sstyle=|\son\w+=|javascript:|<iframe|poster", text), (
            path.name
        )
        assert re.findall(r"<script(?![^>]*src=)", text) == [], path.name
    for name in (
        "copy.js",
        "digest.js",
        "key.js",
        "site.js",
        "join.js",
        "prove.js",
        "player.js",
        "sealed.js",
        "worker.js",
        "marks.js",
        "notes.js",
        "signed.js",
        "timeline.js",
        "waves.js",
        "webm.js",
        "site.css",
    ):
        text = (HERE / "static" / name).read_text()
        assert not re.search(r"https?://|innerHTML|eval\(|document\.write|@import", text), name


def test_the_first_page_is_small() -> None:
    """Issue: under 100 kB, all that the first page loads, without compression."""
    shown = {"session": None, "path": "/sign-in", "ahead": "/", "fault": "", "name": "", "undone": False}
    page = bytes(Pages(assets()).page("sign_in.html", "fr", shown).body)
    loaded = re.findall(r'(?:src|href)="/static/([^"]+)"', page.decode())
    assert sorted(loaded) == ["icon.svg", "site.css", "site.js"]
    assert len(page) + sum((HERE / "static" / name).stat().st_size for name in loaded) < 100_000


def test_static_files_are_all_known() -> None:
    names = {path.name for path in Path(HERE / "static").iterdir()}
    assert names - assets().keys() == {"age.licences.txt"}
