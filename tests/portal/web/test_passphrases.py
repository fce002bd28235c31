"""What may guard an account: hard to guess, whatever signs it is made of (CNIL 2022-100)."""

from __future__ import annotations

import pytest

from pbx_bridge.portal.web.passphrases import MAX_CHARS, NEEDED_BITS, bits, is_strong, normal


@pytest.mark.parametrize(
    "passphrase",
    [
        "", "a" * 60, "password", "Password1!", "Aaaaaaaaaaa1!", "azertyuiopqsdfghjklm", "correcthorse",
        "pbx-bridge pbx-bridge pbx-bridge", "1234567890" * 6, "motdepasse2026!", "abcabcabcabcabcabcabc",
        "Tr0ub4dor&3", "qwerty asdf zxcv",
    ],
)  # fmt: skip
def test_what_is_guessed_is_refused_whatever_signs_it_has(passphrase: str) -> None:
    assert not is_strong(passphrase)


@pytest.mark.parametrize(
    "passphrase",
    [
        "copper ladder fossil umbrella ninety",
        "cheval batterie agrafe correcte brume",
        "kV7#pQ2!xR9@mT4$wZ8%cB1&h",
    ],
)
def test_words_that_do_not_belong_together_are_enough(passphrase: str) -> None:
    assert is_strong(passphrase)
    assert bits(passphrase) >= NEEDED_BITS


def test_a_field_has_an_end_and_one_spelling() -> None:
    strong = "copper ladder fossil umbrella ninety "
    assert not is_strong((strong * 9)[: MAX_CHARS + 1])
    assert normal("e\u0301te\u0301") == normal("\u00e9t\u00e9")
