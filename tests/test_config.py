"""The configuration file: what a person can get wrong is said with file, key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx_bridge.config import load, read_secret
from pbx_bridge.config_pbx import Asterisk
from pbx_bridge.errors import OperatorError

GOOD = """
[bridge]
demonstration = true
[asterisk]
ami_secret_file = "/etc/pbx-bridge/ami.secret"
ari_secret_file = "/etc/pbx-bridge/ari.secret"
[recording]
fps = 10
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_good_file_has_the_strict_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    assert (config.recording.retention_days, config.recording.trainee_first_hours) == (30, 24)
    assert config.recording.payment_pause_s == 300
    assert [notice.language for notice in config.notice] == ["fr", "en"]


@pytest.mark.parametrize("seconds", [10, 900])
def test_a_payment_may_last_up_to_its_ceiling(tmp_path: Path, seconds: int) -> None:
    text = GOOD.replace("fps = 10", f"payment_pause_s = {seconds}")
    assert load(written(tmp_path, text)).recording.payment_pause_s == seconds


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("demonstration = true", "demonstration = false", "P14"),
        ("[asterisk]", "[asterisk]\nunknown = 1", "asterisk.unknown"),
        ("fps = 10", "fps = 4", "P2"),
        ("fps = 10", "retention_days = 174", "P20"),
        ("fps = 10", "trainee_first_hours = 0", "P18"),
        ("fps = 10", "payment_pause_s = 901", "P7"),
        ("fps = 10", "payment_pause_s = 9", "payment_pause_s"),
        ("fps = 10", "opt_out_months = 37", "P16"),
        (
            "[recording]",
            '[portal]\ncertificate = "/etc/a.pem"\n[recording]',
            "certificate and key, or neither",
        ),
        ("[recording]", '[portal]\nkey = "/etc/a.key"\n[recording]', "certificate and key, or neither"),
        ("[asterisk]", '[asterisk]\nobjection_code = "*5"\nprivate_code = "*51"', "begin alike"),
        ("[asterisk]", '[asterisk]\nobjection_code = "*51"\nprivate_code = "*5"', "begin alike"),
        ("[asterisk]", '[asterisk]\nobjection_code = "9"', "objection_code"),
        ("[asterisk]", '[asterisk]\nnotice_key = "*9"', "notice_key"),
        ("[asterisk]", '[[notice]]\nlanguage = "fr"\nsound = "pbxb/a\\nb"\n[asterisk]', "sound"),
        ("[bridge]", "[bridge", "TOML"),
        ("[asterisk]", '[asterisk]\naudiosocket_listen = "0.0.0.0:9092"', "loopback"),
        ("[asterisk]", '[asterisk]\nfastagi_listen = "192.0.2.1:4573"', "loopback"),
        ("[asterisk]", '[asterisk]\nari = "http://192.0.2.1:8088"', "loopback"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(OperatorError, match=said) as raised:
        load(written(tmp_path, GOOD.replace(old, new)))
    assert str(tmp_path / "config.toml") in str(raised.value)


FREESWITCH = """
[bridge]
demonstration = true
[freeswitch]
esl_secret_file = "/etc/pbx-bridge/esl.secret"
"""


@pytest.mark.parametrize("address", ["7443", "localhost:", "localhost:\u00b2", "localhost:\u0663"])
def test_a_wrong_value_is_named_without_words_of_a_library(tmp_path: Path, address: str) -> None:
    """An address here, whose port is digits that everybody reads."""
    with pytest.raises(OperatorError) as said:
        load(written(tmp_path, GOOD + f'[portal]\nlisten = "{address}"\n'))
    assert said.value.what == 'write it as "host:port"'
    assert "portal.listen" in said.value.where


def test_the_pbx_may_be_freeswitch(tmp_path: Path) -> None:
    config = load(written(tmp_path, FREESWITCH))
    assert config.asterisk is None
    assert config.freeswitch is config.pbx
    assert (str(config.freeswitch.esl), config.freeswitch.driver) == ("127.0.0.1:8021", "asyncio")
    assert (config.pbx.notice_key, config.pbx.objection_code, config.pbx.private_code) == ("9", "*9", "*6")
    assert config.pbx.foreign_recorders == "refuse"
    assert isinstance(load(written(tmp_path, GOOD)).pbx, Asterisk)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + FREESWITCH.replace("[bridge]\ndemonstration = true\n", ""), "one PBX"),
        ("[bridge]\ndemonstration = true\n", "one PBX"),
        (FREESWITCH + 'esl = "192.0.2.1:8021"\n', "loopback"),
        (FREESWITCH + 'driver = "greenswitch"\n', "freeswitch.driver"),
        (FREESWITCH + 'pipe_dir = "pipes"\n', "whole path"),
        (FREESWITCH + 'pipe_dir = "/run/pbx.raw bridge/pipes"\n', "cannot be told this path"),
        (FREESWITCH + 'pipe_dir = "/run/{pipes}"\n', "cannot be told this path"),
        (FREESWITCH + 'group = "free switch"\n', "freeswitch.group"),
        (FREESWITCH + 'objection_code = "*6"\n', "objection_code and private_code begin alike"),
        (FREESWITCH + 'pause_code = "*91"\n', "objection_code and pause_code begin alike"),
        (FREESWITCH + 'resume_code = "*7"\n', "pause_code and resume_code begin alike"),
        (FREESWITCH + 'ami_user = "pbxb"\n', "freeswitch.ami_user"),
        (FREESWITCH.replace("esl_secret_file", "esl_secret"), "freeswitch.esl_secret"),
    ],
)
def test_a_mistake_about_the_pbx_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as raised:
        load(written(tmp_path, text))
    assert str(tmp_path / "config.toml") in str(raised.value)


@pytest.mark.parametrize("kind", ["trainee", "trainer", "application", "plan"])
def test_persons_and_plans_of_an_older_file_are_sent_to_their_commands(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OperatorError, match=f"pbx-bridge {kind} add"):
        load(written(tmp_path, GOOD + f'[[{kind}]]\nid = "alice"\n'))


def test_keys_and_the_time_of_an_objection_may_be_chosen(tmp_path: Path) -> None:
    chosen = '[asterisk]\nnotice_key = "5"\nobjection_code = "*5"\nprivate_code = "#5"'
    text = GOOD.replace("[asterisk]", chosen).replace("fps = 10", "opt_out_months = 36")
    config = load(written(tmp_path, text))
    assert (config.recording.opt_out_months, config.pbx.objection_code) == (36, "*5")
    assert load(written(tmp_path, GOOD)).recording.opt_out_months == 12


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="--config"):
        load(tmp_path / "none.toml")


def test_a_secret_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("long enough\n")
    path.chmod(0o644)
    with pytest.raises(OperatorError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "long enough"
    path.write_text("short")
    with pytest.raises(OperatorError, match="8 to 256"):
        read_secret(path)


def test_who_answers_for_the_processing_is_read(tmp_path: Path) -> None:
    """Art. 13 and 30: the name and where to ask; an empty one is refused."""
    section = '[controller]\nname = "Example SA"\ncontact = "privacy@example.fr"\n'
    assert load(written(tmp_path, GOOD)).controller is None
    controller = load(written(tmp_path, GOOD + section)).controller
    assert controller is not None
    assert (controller.name, controller.contact) == ("Example SA", "privacy@example.fr")
    with pytest.raises(OperatorError, match=r"controller\.contact"):
        load(written(tmp_path, GOOD + section.replace("privacy@example.fr", "")))
