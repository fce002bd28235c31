"""The configuration file: what a person can get wrong is said with file, key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx_bridge.config import load, read_secret
from pbx_bridge.errors import OperatorError

GOOD = """
[bridge]
demonstration = true
[asterisk]
ami_secret_file = "/etc/pbx-bridge/ami.secret"
ari_secret_file = "/etc/pbx-bridge/ari.secret"
[[application]]
name = "orders"
executable = "/opt/orders/orders"
wm_class = "Orders"
[[trainee]]
id = "alice"
endpoints = ["PJSIP/201"]
login = "alice"
[[trainer]]
id = "bruno"
[[plan]]
id = "alice-orders"
trainee = "alice"
applications = ["orders"]
need = "new-in-post"
trainer = "bruno"
approver = "carla"
first_day = 2026-11-01
last_day = 2026-12-12
[[plan.slot]]
start = 2026-11-23T09:00:00+01:00
end = 2026-11-23T10:00:00+01:00
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_good_file_gives_plans_with_the_strict_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    (plan,) = config.plans
    assert (plan.rate, plan.recordings_per_week, plan.minutes_per_week) == (0.05, 2, 20)
    assert (config.recording.retention_days, config.recording.trainee_first_hours) == (30, 24)
    assert [notice.language for notice in config.notice] == ["fr", "en"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("demonstration = true", "demonstration = false", "P14"),
        ("[asterisk]", "[asterisk]\nunknown = 1", "asterisk.unknown"),
        ("[[trainer]]", "[recording]\nfps = 4\n[[trainer]]", "P2"),
        ("[[trainer]]", "[recording]\nretention_days = 174\n[[trainer]]", "P20"),
        ("[[trainer]]", "[recording]\ntrainee_first_hours = 0\n[[trainer]]", "P18"),
        ('need = "new-in-post"', 'need = "because"', "need"),
        ('approver = "carla"', 'approver = "bruno"', "P13"),
        ('trainee = "alice"', 'trainee = "nobody"', "nobody"),
        ('applications = ["orders"]', 'applications = ["mail"]', "mail"),
        ('id = "bruno"', 'id = "alice"', "P22"),
        ("+01:00", "", "zone"),
        ("first_day = 2026-11-01", "rate = 0.5\nfirst_day = 2026-11-01", "P11"),
        ("[bridge]", "[bridge", "TOML"),
        ('"/opt/orders/orders"', '"/usr/bin/python3.11"', "P3"),
        ('"/opt/orders/orders"', '"/usr/bin/chromium"', "P3"),
        ('wm_class = "Orders"', 'wm_class = "Orders"\ntitle = "("', "P3"),
        ('wm_class = "Orders"', 'wm_class = "Orders"\nsha256 = "zz"', "P3"),
        ('approver = "carla"', 'approver = "alice"', "P22"),
        ("[asterisk]", '[asterisk]\naudiosocket_listen = "0.0.0.0:9092"', "loopback"),
        ("[asterisk]", '[asterisk]\nfastagi_listen = "192.0.2.1:4573"', "loopback"),
        ("[asterisk]", '[asterisk]\nari = "http://192.0.2.1:8088"', "loopback"),
        ('login = "alice"', "login = 7", "login"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(OperatorError, match=said) as raised:
        load(written(tmp_path, GOOD.replace(old, new)))
    assert str(tmp_path / "config.toml") in str(raised.value) or "plan " in str(raised.value)


def test_two_plans_of_one_trainee_must_not_overlap(tmp_path: Path) -> None:
    second = GOOD[GOOD.index("[[plan]]") : GOOD.index("[[plan.slot]]")]
    with pytest.raises(OperatorError, match="share an id"):
        load(written(tmp_path, GOOD + second))
    second = second.replace('id = "alice-orders"', 'id = "alice-later"')
    with pytest.raises(OperatorError, match="overlap"):
        load(written(tmp_path, GOOD + second))
    later = second.replace("2026-12-12", "2027-01-12").replace("2026-11-01", "2026-12-13")
    assert len(load(written(tmp_path, GOOD + later)).plans) == 2


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
