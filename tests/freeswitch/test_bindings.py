"""Keys a site gives to phones in its own dialplan, and which of them `doctor` finds in the way of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pbx_bridge import app_freeswitch_keys
from pbx_bridge.app_freeswitch_files import FILE_LIMIT
from pbx_bridge.app_freeswitch_keys import OURS, dialplan, keys
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.telephony.freeswitch.bindings import Binding, bindings, clashes, settings

PRODUCT = Path(__file__).resolve().parents[2] / "dialplan/freeswitch/pbxb.xml"
SAMPLE = """<include><!-- as FreeSWITCH's own default.xml -- with a comment no XML parser takes -->
<extension name="Local_Extension"><condition field="destination_number" expression="^(10[01][0-9])$">
<!-- <action application="bind_meta_app" data="6 b s execute_extension::never XML features"/> -->
<action application="bind_meta_app" data="1 b s execute_extension::dx XML features"/>
<action application='bind_meta_app' data='3 a s execute_extension::cf XML features'/>
<action application="bridge" data="user/$1@$${domain}"/>
</condition></extension>
"""
"""It is no XML at all, and FreeSWITCH takes it."""
FUSION = """<extension name="bind_digit_action"><condition>
<action application="bind_digit_action" data="local,*1,exec:execute_extension,dx XML ${context},${bind_target},self"/>
<action application="bind_digit_action" data="local,*0,exec:conf"/>
<action application="bind_digit_action" data="local,~^##[0-9]$,exec:execute_extension,any XML x,self,self"/>
<action application="bind_digit_action" data="local,*5,exec:event,'Event-Name=CUSTOM,Event-Subclass=site::it',both,self"/>
<anti-action application="digit_action_set_realm" data="local"/>
</condition></extension>"""


def test_what_stands_in_a_dialplan() -> None:
    assert bindings({"default.xml": SAMPLE, "fusion.xml": FUSION}) == (
        Binding("*1", None, called=True, where="default.xml"),
        Binding("*3", None, called=False, where="default.xml"),
        Binding("*1", "local", called=True, where="fusion.xml"),
        Binding("*0", "local", called=False, where="fusion.xml"),
        Binding("~^##[0-9]$", "local", called=False, where="fusion.xml"),
        Binding("*5", "local", called=True, where="fusion.xml"),
    )


@pytest.mark.parametrize(
    ("ours", "realm", "met"),
    [
        ("*9", "local", ["fusion.xml"]),
        ("*1", "local", ["default.xml", "fusion.xml", "fusion.xml"]),
        ("*9", "pbxb", []),
        ("*1", "pbxb", ["default.xml"]),
        ("*10", "pbxb", ["default.xml"]),
        ("*5", "pbxb", []),
        ("*", "pbxb", ["default.xml", "default.xml"]),
    ],
)
def test_a_code_is_in_the_way_when_it_acts_at_the_same_time(ours: str, realm: str, met: list[str]) -> None:
    known = bindings({"default.xml": SAMPLE, "fusion.xml": FUSION})
    assert [one.where for _, one in clashes([ours], known, realm)] == met


def test_settings_are_those_of_vars_xml() -> None:
    text = """<include><X-PRE-PROCESS cmd="set" data="domain=pbx.test"/>
    <!-- <X-PRE-PROCESS cmd="set" data="pbxb_realm=none"/> --><X-PRE-PROCESS cmd="set" data="pbxb_realm=local"/>"""
    assert settings([text]) == {"pbxb_realm": "local"}


@pytest.fixture
def section(tmp_path: Path) -> Freeswitch:
    (tmp_path / "pbxb").mkdir()
    (tmp_path / "dialplan/default").mkdir(parents=True)
    shutil.copy(PRODUCT, tmp_path / OURS)
    (tmp_path / "vars.xml").write_text("<include/>")
    return Freeswitch(esl_secret_file=tmp_path / "secret", config_dir=tmp_path)


def site(section: Freeswitch, dialplan: str, *variables: str) -> tuple[bool, str]:
    (section.config_dir / "dialplan/default/00_site.xml").write_text(dialplan)
    said = "".join(f'<X-PRE-PROCESS cmd="set" data="{one}"/>' for one in variables)
    (section.config_dir / "vars.xml").write_text(f"<include>{said}</include>")
    return keys(section)


def test_a_site_without_keys_of_its_own_is_well(section: Freeswitch) -> None:
    assert site(section, "<include/>") == (True, "*9, *6, *7, *8; nothing of the site's own is in the way")
    assert dialplan(section)[0]


def test_a_code_that_begins_alike_is_told(section: Freeswitch) -> None:
    good, says = site(section, '<action application="bind_meta_app" data="9 a s hangup"/>')
    assert not good
    assert says == ("*9 and the site's *9 (dialplan/default/00_site.xml) begin alike: change one of them")
    other = section.model_copy(update={"objection_code": "*4"})
    assert keys(other)[0]


def test_another_realm_is_told_until_it_is_named(section: Freeswitch) -> None:
    own = (
        FUSION.replace("both,self", "self,self").replace("${bind_target}", "self").replace("~^##[0-9]$", "*3")
    )
    good, says = site(section, own)
    assert not good
    assert 'data="pbxb_realm=local"' in says
    assert site(section, own, "pbxb_realm=local")[0]
    taken = own.replace("local,*0", "local,*6")
    assert "*6 and the site's *6" in site(section, taken, "pbxb_realm=local")[1]


def test_a_pattern_in_our_realm_makes_our_keys_wait(section: Freeswitch) -> None:
    pattern = '<action application="bind_digit_action" data="pbxb,~^##[0-9]$,exec:conf"/>'
    good, says = site(section, pattern)
    assert not good
    assert "waits for the digit time-out beside the site's ~^##[0-9]$" in says


def test_keys_of_the_called_phone_ask_for_a_decision(section: Freeswitch) -> None:
    good, says = site(section, SAMPLE)
    assert not good
    assert "*1 (dialplan/default/00_site.xml) do nothing on a called trainee's phone" in says
    assert site(section, SAMPLE, "pbxb_trainee_keys=no")[0]
    assert site(section, SAMPLE, "pbxb_trainee_keys=yes")[0]


def test_a_dialplan_that_was_not_copied_is_told(section: Freeswitch) -> None:
    (section.config_dir / OURS).unlink()
    good, says = dialplan(section)
    assert not good
    assert "copy dialplan/freeswitch/pbxb.xml there" in says


def test_what_cannot_be_read_is_told_and_a_pbx_elsewhere_is_not_looked_at(section: Freeswitch) -> None:
    (section.config_dir / "dialplan/broken.xml").symlink_to("nowhere")
    good, says = keys(section)
    assert not good
    assert "broken.xml cannot be read" in says
    elsewhere = section.model_copy(update={"config_dir": section.config_dir / "nowhere"})
    for asked in (keys, dialplan):
        good, says = asked(elsewhere)
        assert (good, "not looked at" in says) == (True, True)


@pytest.mark.parametrize(("more", "read"), [(-1, True), (0, True), (1, False)])
def test_a_dialplan_that_is_too_large_is_not_called_well(section: Freeswitch, more: int, read: bool) -> None:
    """What stands behind the limit might be in the way."""
    padded = "<include/>" + " " * (FILE_LIMIT + more - len("<include/>"))
    good, says = site(section, padded)
    assert (good, "File too large" in says) == (read, not read)


@pytest.mark.parametrize(("limit", "read"), [(2, True), (1, True), (0, False)])
def test_a_dialplan_of_too_many_files_is_not_called_well(
    section: Freeswitch, monkeypatch: pytest.MonkeyPatch, limit: int, read: bool
) -> None:
    monkeypatch.setattr(app_freeswitch_keys, "FILES_LIMIT", limit)
    good, says = site(section, "<include/>")
    assert (good, "compare by hand" in says) == (read, not read)


def test_our_own_dialplan_stands_in_nobodys_way(section: Freeswitch) -> None:
    """Its bindings are made of the bridge's own codes; read as a site's they say nothing."""
    assert bindings({"pbxb.xml": PRODUCT.read_text()}) == ()
