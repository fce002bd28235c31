"""The keys of a call in features.conf: read as Asterisk reads them, and compared before a customer finds out (P16)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.app_features import keys_of
from pbx_bridge.config_pbx import Asterisk as AsteriskSection
from pbx_bridge.telephony.asterisk.translate_features import Feature, clashes, features
from tests.rig.asterisk import PRODUCT_DIALPLAN, Asterisk

OURS = (PRODUCT_DIALPLAN / "features_pbxb.conf").read_text()
WHOLE = (
    "[featuremap]\ndisconnect => *0\nblindxfer => ##\n[applicationmap]\n#include pbxb/features_pbxb.conf\n"
)


def config(folder: Path, **asterisk: Any) -> AsteriskSection:
    return AsteriskSection(
        ami_secret_file=folder / "ami", ari_secret_file=folder / "ari", config_dir=folder, **asterisk
    )


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "pbxb").mkdir()
    (tmp_path / "pbxb/features_pbxb.conf").write_text(OURS)
    (tmp_path / "features.conf").write_text(WHOLE)
    return tmp_path


def test_the_files_as_the_readme_says_are_well(etc: Path) -> None:
    good, says = keys_of(config(etc))
    assert good, says


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("[featuremap]\natxfer => *9\n", "atxfer"),
        ("[featuremap]\nparkcall => *91\n", "parkcall"),
        ("[featuremap]\nautomon = *\n", "automon"),
        ("[applicationmap]\nmine => *99,self,NoOp\n", "mine"),
        ('[applicationmap]\nmine => *6,peer/caller,Playback,"beep"\n', "mine"),
        ("[applicationmap](+)\nmine => *61,self,NoOp ; why not\n", "mine"),
        ("[applicationmap](+)\nmine => *3,self,NoOp\n[desks]\nmine => *9\n", "mine of group desks"),
    ],
)
def test_a_code_of_the_site_that_begins_alike_is_named(etc: Path, line: str, names: str) -> None:
    with (etc / "features.conf").open("a") as file:
        file.write(line)
    good, says = keys_of(config(etc))
    assert not good
    assert f"the site's {names} " in says


@pytest.mark.parametrize(
    "line",
    [
        "[featuremap]\natxfer => *2\n",
        "[applicationmap]\nmine => 9,self,NoOp\n",
        "[applicationmap]\n;mine => *9,self,NoOp\n",
        "[applicationmap]\n;-- mine => *9,self,NoOp\nmore => *9,self,NoOp\n--;\n",
        "[general]\npickupexten => *9\n",
        "[mygroup]\npbxb_objection => *95\n",
        "[mygroup]\nnobodys => *9\n",
        "#tryinclude nowhere.conf\n",
    ],
)
def test_other_lines_are_in_nobodys_way(etc: Path, line: str) -> None:
    with (etc / "features.conf").open("a") as file:
        file.write(line)
    good, says = keys_of(config(etc))
    assert good, says


def test_asterisks_own_default_is_named(etc: Path) -> None:
    (etc / "features.conf").write_text("[applicationmap]\n" + OURS)
    good, says = keys_of(config(etc))
    assert not good
    assert "Asterisk's default for disconnect (*)" in says
    assert "[featuremap]" in says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "include features_pbxb.conf"),
        (WHOLE.replace("#include", ";include"), "include features_pbxb.conf"),
        (WHOLE.replace("features_pbxb", "missing"), "cannot be read"),
        (WHOLE.replace("[applicationmap]", "[general]"), "include features_pbxb.conf"),
    ],
)
def test_keys_that_are_not_there_are_said(etc: Path, text: str, says: str) -> None:
    (etc / "features.conf").write_text(text)
    good, said = keys_of(config(etc))
    assert not good
    assert says in said


def test_the_bridges_code_and_the_files_must_be_the_same(etc: Path) -> None:
    good, says = keys_of(config(etc, objection_code="*5"))
    assert not good
    assert "asterisk.objection_code" in says
    (etc / "pbxb/features_pbxb.conf").write_text(OURS.replace("*9", "*5"))
    assert keys_of(config(etc, objection_code="*5"))[0]


def test_a_pbx_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    good, says = keys_of(config(tmp_path / "nowhere"))
    assert good
    assert "not looked at" in says


@pytest.mark.parametrize("codes", [{"objection_code": "9"}, {"private_code": "*9"}, {"private_code": "*91"}])
def test_codes_that_cannot_work_are_refused_in_the_configuration(
    tmp_path: Path, codes: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"begin alike|pattern"):
        config(tmp_path, **codes)
    config(tmp_path, objection_code="*5", private_code="#5")


def test_files_that_include_each_other_come_to_an_end(etc: Path) -> None:
    (etc / "features.conf").write_text(WHOLE + "#include features.conf\n")
    keys_of(config(etc))


@given(st.lists(st.text()))
def test_any_lines_are_read(lines: list[str]) -> None:
    assert clashes(features(lines)) == ()


def test_each_pair_is_named_once() -> None:
    own, other = Feature("pbxb_objection", "*9"), Feature("pbxb_private", "*91")
    assert clashes((own, other)) == ((own, other),)


async def test_asterisk_itself_reads_the_same(pbx: Asterisk) -> None:
    """`features show` of a running one, against what is read from its files."""
    shown = await pbx.cli("features show")
    assert keys_of(config(pbx.work / "etc"))[0]
    ours = features([*(pbx.work / "etc/features.conf").read_text().splitlines(), *(OURS.splitlines())])
    words = {"blindxfer": "Blind Transfer", "atxfer": "Attended Transfer", "disconnect": "Disconnect Call"}
    for feature in ours:
        name = words.get(feature.name, feature.name)
        assert re.search(rf"^{re.escape(name)}\s.*{re.escape(feature.code)}\s*$", shown, re.M), (
            feature,
            shown,
        )


async def test_asterisks_defaults_are_those_we_know(pbx: Asterisk) -> None:
    (pbx.work / "etc/features.conf").write_text("[general]\n")
    await pbx.cli("module reload features")
    shown = await pbx.cli("features show")
    assert re.search(r"^Blind Transfer\s+#\s+#\s*$", shown, re.M), shown
    assert re.search(r"^Disconnect Call\s+\*\s+\*\s*$", shown, re.M), shown
    assert {(one.name, one.code) for one in features([])} == {("blindxfer", "#"), ("disconnect", "*")}
