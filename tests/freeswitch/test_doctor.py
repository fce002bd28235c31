"""What `doctor` reads in FreeSWITCH's own files: an open event socket, a log that keeps digits; and the pipes' folder."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from pbx_bridge.app_doctor_pbx import examine_pbx
from pbx_bridge.app_freeswitch_asked import NEEDED, modules
from pbx_bridge.app_freeswitch_files import FILE_LIMIT, digits_in_log, event_socket, holds_told
from pbx_bridge.app_pipes import prepare_pipes
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.config_section import Address
from pbx_bridge.errors import OperatorError
from tests.rig.esl_double import PASSWORD, EslDouble

SOCKET = """<configuration name="event_socket.conf"><settings>
<param name="listen-ip" value="127.0.0.1"/><param name="password" value="a long one of its own"/>
</settings></configuration>"""
SWITCH = """<configuration name="switch.conf"><settings><param name="loglevel" value="{}"/></settings></configuration>"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    files = tmp_path / "autoload_configs"
    files.mkdir()
    (files / "event_socket.conf.xml").write_text(SOCKET)
    (files / "switch.conf.xml").write_text(SWITCH.format("notice"))
    return tmp_path


def test_a_closed_socket_and_a_silent_log_are_well(etc: Path) -> None:
    assert event_socket(etc)[0]
    assert digits_in_log(etc)[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("127.0.0.1", "::", "listens on ::"),
        ("127.0.0.1", "0.0.0.0", "listens on 0.0.0.0"),
        ("127.0.0.1", "$${local_ip_v4}", "127.0.0.1"),
        ('<param name="listen-ip" value="127.0.0.1"/>', "", "listens on ::"),
        ("a long one of its own", "ClueCon", "everybody knows"),
        ("a long one of its own", "CHANGE-ME", "everybody knows"),
        ("</settings>", "", "is not XML"),
        ("</configuration>", "</configuration>" + " " * FILE_LIMIT, "larger than"),
    ],
)
def test_an_open_socket_is_told(etc: Path, old: str, new: str, said: str) -> None:
    assert old in SOCKET
    (etc / "autoload_configs/event_socket.conf.xml").write_text(SOCKET.replace(old, new))
    good, says = event_socket(etc)
    assert not good
    assert said in says


@pytest.mark.parametrize("level", ["info", "debug", "DEBUG", "6", "7", "$${level}", "loud"])
def test_a_log_that_keeps_digits_is_told(etc: Path, level: str) -> None:
    (etc / "autoload_configs/switch.conf.xml").write_text(SWITCH.format(level))
    good, says = digits_in_log(etc)
    assert not good
    assert "fsctl loglevel notice" in says


@pytest.mark.parametrize("level", ["console", "warning", "notice", "5", "0"])
def test_a_log_without_digits_is_well(etc: Path, level: str) -> None:
    (etc / "autoload_configs/switch.conf.xml").write_text(SWITCH.format(level))
    assert digits_in_log(etc)[0]


def test_nothing_said_means_all_is_written(etc: Path) -> None:
    (etc / "autoload_configs/switch.conf.xml").write_text("<configuration/>")
    assert not digits_in_log(etc)[0]


def test_a_file_that_cannot_be_read_is_told_and_a_pbx_elsewhere_is_not_looked_at(etc: Path) -> None:
    (etc / "autoload_configs/switch.conf.xml").unlink()
    good, says = digits_in_log(etc)
    assert (good, "cannot be read" in says) == (False, True)
    good, says = event_socket(etc / "elsewhere")
    assert (good, "not looked at" in says) == (True, True)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("false", True),
        ("0", True),
        ("", True),
        ("true", False),
        ("YES", False),
        ("1", False),
        ("$${x}", False),
    ],
)
def test_a_profile_that_hides_holds_is_told(etc: Path, value: str, good: bool) -> None:
    """P9."""
    assert holds_told(etc) == (
        True,
        f"not looked at: no {etc}/sip_profiles here; compare by hand (dialplan/freeswitch/README.md)",
    )
    (etc / "sip_profiles").mkdir()
    (etc / "sip_profiles/external.xml").write_text("<profile><settings/></profile>")
    sample = '<!-- <param name="disable-hold" value="true"/> -->'
    said = f'<profile><settings>{sample}<param name="disable-hold" value="{value}"/></settings></profile>'
    (etc / "sip_profiles/internal.xml").write_text(said)
    found, says = holds_told(etc)
    assert found is good
    assert ("internal.xml hides holds" in says) is not good


def test_a_profile_that_cannot_be_read_is_not_called_well(etc: Path) -> None:
    (etc / "sip_profiles").mkdir()
    (etc / "sip_profiles/internal.xml").write_text("<profile>")
    good, says = holds_told(etc)
    assert (good, "is not XML" in says) == (False, True)


async def test_doctor_says_all_of_it(etc: Path) -> None:
    """The control: each subject once, those that are well too."""
    (etc / "secret").write_text("long enough\n")
    (etc / "secret").chmod(0o600)
    section = Freeswitch(
        esl=Address(host="127.0.0.1", port=1),
        esl_secret_file=etc / "secret",
        config_dir=etc,
        driver="python-esl",
        group="no-such-group-here",
    )
    found = {finding.subject: finding for finding in await examine_pbx(section)}
    assert not found["FreeSWITCH event socket"].good
    assert "freeswitch.group" in found["voices"].says
    well = {"esl secret", "holds", "event socket's file", "keys in FreeSWITCH's log"}
    assert {subject for subject, finding in found.items() if finding.good} >= well
    own = section.model_copy(update={"group": grp.getgrgid(os.getegid()).gr_name, "driver": "asyncio"})
    assert all(
        one.good for one in await examine_pbx(own) if one.subject in ("voices", "event socket's driver")
    )


@pytest.mark.parametrize(
    ("printed", "password", "good", "said"),
    [
        ({}, PASSWORD, True, "all that are needed are loaded"),
        ({"module_exists mod_sndfile": "false"}, PASSWORD, False, "not loaded: mod_sndfile: add it"),
        (
            {"module_exists": "false"},
            PASSWORD,
            False,
            "not loaded: mod_commands mod_dialplan_xml mod_dptools",
        ),
        ({}, "quite another one", False, "refuses the password"),
    ],
)
async def test_a_module_without_which_nothing_would_be_recorded_is_told(
    tmp_path: Path, printed: dict[str, str], password: str, good: bool, said: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(password)
    secret.chmod(0o600)
    async with EslDouble() as freeswitch:
        freeswitch.answers.update({"module_exists": "true"} | printed)
        section = Freeswitch(esl=Address(host="127.0.0.1", port=freeswitch.port), esl_secret_file=secret)
        found, says = await modules(section)
    assert (found, said in says) == (good, True), says
    assert (await modules(section))[0] is False, "nobody listens any more"
    assert password not in says


def test_the_modules_asked_for_are_those_of_the_page() -> None:
    page = Path(__file__).resolve().parents[2] / "dialplan/freeswitch/README.md"
    assert f"    {' '.join(NEEDED)}\n" in page.read_text()


def test_the_pipes_lie_where_only_the_two_may_go(tmp_path: Path) -> None:
    mine = pwd.getpwuid(os.geteuid()).pw_name
    group = "nogroup" if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name
    section = Freeswitch(esl_secret_file=tmp_path, pipe_dir=tmp_path / "run/pipes", group=group)
    prepare_pipes(section, mine)
    prepare_pipes(section, mine)
    assert stat.S_IMODE(section.pipe_dir.stat().st_mode) == 0o2710
    os.mkfifo(section.pipe_dir / "one", 0o620)
    assert (section.pipe_dir / "one").group() == group, "FreeSWITCH may write into it"


def test_a_folder_that_others_use_is_not_taken_from_them(tmp_path: Path) -> None:
    """`/run` itself, by a slip of the hand."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    (folder / "utmp").write_text("")
    section = Freeswitch(esl_secret_file=tmp_path, pipe_dir=folder, group="nogroup")
    with pytest.raises(OperatorError, match="already uses this folder"):
        prepare_pipes(section, pwd.getpwuid(os.geteuid()).pw_name)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_group_or_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    missing = Freeswitch(esl_secret_file=tmp_path, pipe_dir=tmp_path / "pipes", group="no-such-group-here")
    blocked = Freeswitch(esl_secret_file=tmp_path, pipe_dir=tmp_path / "file/pipes", group="nogroup")
    mine = pwd.getpwuid(os.geteuid()).pw_name
    with pytest.raises(OperatorError, match=r"freeswitch\.pipe_dir"):
        prepare_pipes(blocked, mine)
    if os.geteuid() == 0:
        with pytest.raises(OperatorError, match=r"freeswitch\.group"):
            prepare_pipes(missing, mine)
