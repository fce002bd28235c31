"""What dialplan/freeswitch promises to the administrator, read from the files; tests/live/freeswitch asks a real one."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pbx_bridge.app_freeswitch_files import event_socket
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.telephony.asterisk.notice_server import NOTICE_LIMIT_S
from pbx_bridge.telephony.freeswitch.translate import OWN, SUBCLASSES

HOME = Path(__file__).resolve().parents[2] / "dialplan/freeswitch"
SITE = Path(__file__).resolve().parents[1] / "rig/freeswitch_site"
CALL = re.compile(r"(\w+) XML:\$\{conf_dir\}/pbxb/pbxb\.xml pbxb\Z")
"""How one of its extensions runs another, and how the site runs any."""
ENDING = {"hangup", "transfer", "bridge", "park", "redirect", "respond", "deflect", "att_xfer", "intercept"}
"""Applications after which a call is over, or somewhere else."""
INHERITED = {"export", "bridge_export", "set_user", "set_profile_var", "sched_hangup", "multiset"}
WAITS = (
    "curl",
    "lua",
    "python",
    "perl",
    "js",
    "socket",
    "system",
    "bgsystem",
    "fifo",
    "httapi",
    "event_sink",
)
"""What asks somebody, who may not answer."""


def extensions() -> list[ElementTree.Element]:
    root = ElementTree.parse(HOME / "pbxb.xml").getroot()
    context = root.find("section[@name='dialplan']/context[@name='pbxb']")
    assert root.tag == "document"
    assert context is not None, "mod_dialplan_xml looks for it there"
    return list(context.iter("extension"))


def named(name: str) -> list[ElementTree.Element]:
    """Those that a call of this name reaches, in order."""
    reached = []
    for one in extensions():
        first = one.find("condition[@field='destination_number']")
        assert first is not None
        if re.search(first.get("expression", ""), name):
            reached.append(one)
    return reached


def actions(*where: ElementTree.Element) -> list[tuple[str, str]]:
    return [
        (step.get("application", ""), step.get("data", ""))
        for one in where or extensions()
        for step in one.iter()
        if step.tag in ("action", "anti-action")
    ]


PUBLIC = (
    "pbxb_entry",
    "pbxb_entry_fr",
    "pbxb_outbound",
    "pbxb_never",
    "pbxb_person",
    "pbxb_pause",
    "pbxb_resume",
)
KEYS = ("pbxb_objection", "pbxb_private", "pbxb_pause", "pbxb_resume")


@pytest.mark.parametrize("name", [*PUBLIC, *KEYS, "pbxb_outbound", "pbxb_trainee"])
def test_what_a_site_or_the_bridge_calls_is_there_once(name: str) -> None:
    assert len(named(name)) == 1


def test_no_extension_is_reached_by_another_name() -> None:
    for name in ("pbxb_entry_french", "pbxb", "pbxb_pauses", "xpbxb_never", "100"):
        assert named(name) == []


def test_every_extension_is_reached_by_its_name_alone() -> None:
    for one in extensions():
        first = next(iter(one))
        assert first.get("field") == "destination_number"
        assert re.match(r"\^.*\$\Z", first.get("expression", ""))


def test_nothing_ends_a_call_or_is_inherited_or_waits() -> None:
    used = {name for name, _ in actions()}
    assert used == {
        "answer", "bind_digit_action", "digit_action_set_realm", "event", "execute_extension", "log", "playback", "set",
        "set_global", "sleep",
    }  # fmt: skip
    assert not used & (ENDING | INHERITED | set(WAITS))
    assert not any("nolocal:" in data or data.startswith("_") for name, data in actions())


OF_DIALLING = {
    "group_confirm_key", "group_confirm_file", "group_confirm_cancel_timeout", "bridge_early_media", "call_timeout",
}  # fmt: skip
"""FreeSWITCH's own, for the bridge that follows: without the answer's confirmation nobody would hear the notice."""
OF_OTHERS = {"pbxb_dial": OF_DIALLING, "pbxb_rings": {"transfer_ringback"}}
"""Variables that are FreeSWITCH's, by the one extension that sets them."""


def test_variables_are_our_own() -> None:
    for one in extensions():
        allowed = OF_OTHERS.get(one.get("name", ""), {"playback_ms"})
        for name, data in actions(one):
            if name in ("set", "set_global"):
                variable = data.partition("=")[0]
                assert re.fullmatch(r"pbxb_[a-z_]+(\$\{uuid\})?", variable) or variable in allowed, data


def test_an_answered_customer_is_not_dropped_by_the_time_that_was_for_ringing() -> None:
    steps = dict(data.split("=", 1) for name, data in actions(*named("pbxb_dial")) if name == "set")
    assert steps["group_confirm_cancel_timeout"] == "true"
    assert int(steps["call_timeout"]) >= 120 + NOTICE_LIMIT_S
    assert CALL.search(steps["group_confirm_file"])


def test_a_network_announcement_is_no_customer() -> None:
    """An answer, not what is played before it."""
    (one,) = named("pbxb_outbound")
    assert one.findall("condition")[1].attrib == {
        "field": "${endpoint_disposition}",
        "expression": "^ANSWER$",
    }


def test_the_notice_stands_behind_the_heartbeat() -> None:
    """Before the channel is answered and before anything is played."""
    for name in ("pbxb_entry", "pbxb_dial", "pbxb_outbound"):
        (one,) = named(name)
        fields = [condition.get("field", "") for condition in one.iter("condition")]
        alive = next(place for place, field in enumerate(fields) if "global_getvar(pbxb_alive)" in field)
        fresh = next(place for place, field in enumerate(fields) if "strepoch" in field)
        assert alive < fresh
        assert not any(
            step.get("inline") is None for condition in one.findall("condition")[:fresh] for step in condition
        )
        for condition in one.findall("condition")[: fresh + 1]:
            assert condition.get("break", "on-false") == "on-false", "what fails ends it"


@pytest.mark.parametrize(
    ("value", "drawn", "passes"),
    [
        ("1796000000:" + "a" * 32, "a" * 32, True),
        ("1796000000:" + "a" * 32, "", False),
        ("1796000000:" + "a" * 32, "b" * 32, False),
        ("1796000000:" + "a" * 32, "a" * 33, False),
        ("", "", False),
        ("1796000000", "", False),
        ("179600000:" + "a" * 32, "a" * 32, False),
        ("1796000000:" + "a" * 31, "a" * 31, False),
        ("x" * 43, "x" * 32, False),
    ],
)
def test_only_this_runs_token_asks_for_the_outbound_notice(value: str, drawn: str, passes: bool) -> None:
    (one,) = named("pbxb_outbound")
    condition = one.findall("condition")[2]
    assert condition.get("field") == "${global_getvar(pbxb_alive)} ${pbxb_drawn}"
    found = re.search(condition.get("expression", ""), f"{value} {drawn}")
    assert bool(found) is passes


def test_each_event_is_one_the_table_knows() -> None:
    told = set()
    for name, data in actions():
        if name == "event":
            said = dict(part.split("=", 1) for part in data.split(","))
            assert said.pop("Event-Name") == "CUSTOM"
            told.add(said.pop("Event-Subclass"))
            assert set(said) <= {"Notice", "Moment", "Person"}
    assert told == {one for one in SUBCLASSES if one.startswith(OWN)}


def test_a_moment_of_a_payment_is_one_the_table_knows() -> None:
    for name, moment in (("pbxb_pause", "begin"), ("pbxb_resume", "end")):
        ((_, data),) = actions(*named(name))
        assert data.endswith(f",Moment={moment}")


def test_what_is_told_is_told_also_of_a_channel_that_hangs_up_meanwhile() -> None:
    """FreeSWITCH executes the rest only while a channel is ready; what stands inline it executes when it looks it up."""
    told = [
        step
        for one in extensions()
        for step in one.iter("action")
        if step.get("application") == "set_global" or "Event-Subclass" in step.get("data", "")
    ]
    later = [step.get("data", "") for step in told if step.get("inline") != "true"]
    assert [data.split(",")[1] for data in later] == [f"Event-Subclass={OWN}notice"], (
        "who hung up heard nothing"
    )


def test_calls_lead_to_extensions_that_are_there() -> None:
    called = [data for name, data in actions() if name == "execute_extension"]
    called += [",".join(data.split(",")[3:-2]) for name, data in actions() if name == "bind_digit_action"]
    assert len(called) > 8
    for data in called:
        found = CALL.match(data)
        assert found, data
        assert named(found.group(1)), data


def test_a_key_acts_on_the_channel_it_was_pressed_on_and_holds_nobody() -> None:
    bound = [data.split(",") for name, data in actions() if name == "bind_digit_action"]
    assert len(bound) == 4
    for realm, code, how, what, *targets in bound:
        assert (realm, code, how, targets) == (
            "${pbxb_bound}",
            "$1",
            "exec[i]:execute_extension",
            ["self", "self"],
        )
        assert what.split()[0] in KEYS


def test_codes_stand_nowhere_but_in_the_bridges_configuration() -> None:
    fields = {
        condition.get("field")
        for one in extensions()
        for condition in one.iter("condition")
        if "code" in condition.get("field", "")
    }
    assert fields == {
        f"${{global_getvar(pbxb_{key}_code)}}" for key in ("objection", "private", "pause", "resume")
    }


def test_keys_in_the_notice_are_in_no_log() -> None:
    """P7; nor does another key than the site's end the sound."""
    listening = [data for name, data in actions() if name in ("playback", "sleep")]
    assert len(listening) == 2
    for data in listening:
        assert re.match(r"%\[sensitive_dtmf=true,playback_terminators=\$\{pbxb_objects\}[\],]", data)


def test_an_objection_is_noted_before_it_is_told() -> None:
    """For a bridge that is down: it asks for these globals when it is back."""
    for name, word in (("pbxb_objection", "objection"), ("pbxb_private", "private")):
        steps = actions(*named(name))
        assert steps == [
            ("set_global", f"pbxb_said_${{uuid}}={word}"),
            ("event", f"Event-Name=CUSTOM,Event-Subclass={OWN}{word}"),
        ]


def test_the_event_socket_is_on_the_loopback_and_its_password_is_to_be_changed(tmp_path: Path) -> None:
    text = (HOME / "event_socket.conf.xml").read_text()
    (tmp_path / "autoload_configs").mkdir()
    file = tmp_path / "autoload_configs/event_socket.conf.xml"
    file.write_text(text)
    good, says = event_socket(tmp_path)
    assert not good
    assert "everybody knows" in says
    file.write_text(text.replace('value="CHANGE-ME"', 'value="one of the site"'))
    assert event_socket(tmp_path)[0]


README = (HOME / "README.md").read_text()


def test_every_call_the_readme_shows_leads_somewhere() -> None:
    shown = re.findall(r"(\w+)\s+XML:\$\{conf_dir\}/pbxb/pbxb\.xml pbxb", README)
    assert {"pbxb_entry", "pbxb_dial", "pbxb_never", "pbxb_person"} <= set(shown)
    for name in shown:
        assert named(name), name


def test_the_modules_the_readme_names_are_those_the_tests_load() -> None:
    block = README.split("## Modules")[1].split("\n\n")[1]
    site = (SITE / "autoload_configs/modules.conf.xml").read_text()
    named_there = set(re.findall(r"mod_\w+", block))
    assert len(named_there) > 4
    assert named_there <= set(re.findall(r'<load module="(mod_\w+)"', site))


def test_the_codes_the_readme_names_are_the_configurations() -> None:
    section = Freeswitch(esl_secret_file=HOME)
    table = README.split("## Keys during a call")[1].split("\n\n")[1].replace("\\", "")
    assert re.findall(r"[*#]\d|(?<=\| )\d", table) == [section.notice_key, *section.codes.values()]
