"""Every sentence exists in every language, and can be drawn with the server's Latin-1 fonts."""

from __future__ import annotations

from workstation_client.texts import TABLE, Text, language, text


def test_every_language_has_every_sentence() -> None:
    for spoken in TABLE:
        for which in Text:
            assert text(which, spoken).encode("latin-1")


def test_the_session_says_the_language() -> None:
    assert language({"LANG": "fr_FR.UTF-8"}) == "fr"
    assert language({"LC_ALL": "en_GB", "LANG": "fr_FR"}) == "en"
    assert language({"LANG": "de_DE"}) == "en"
    assert language({}) == "en"
