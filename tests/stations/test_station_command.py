"""`pbx-bridge station ...`, as the administrator types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pbx_bridge import cli_server
from pbx_bridge.errors import OperatorError
from pbx_bridge.stations.registry import Registry
from pbx_bridge.wire_proof import parse_invite
from tests.test_config import GOOD, written

ENTER = ("trainee", "add", "alice", "--endpoint", "PJSIP/201", "--login", "alice")


def test_an_invitation_binds_a_station_to_a_trainees_login_and_the_list_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """P18."""
    text = GOOD.replace("[bridge]", f'[bridge]\nstate_dir = "{tmp_path}/state"')
    config = str(written(tmp_path, text))

    def said(*words: str) -> str:
        assert cli_server.run(["--config", config, "station", *words]) == 0
        return capsys.readouterr().out

    assert cli_server.run(["--config", config, *ENTER]) == 0
    capsys.readouterr()
    with pytest.raises(OperatorError, match="no trainee has this login"):
        cli_server.run(["--config", config, "station", "invite", "desk-1", "--login", "alcie"])
    for number, options in enumerate((["--login", "alice"], []), start=1):
        code = parse_invite(said("invite", f"desk-{number}", *options).split()[-1])
        Registry(tmp_path / "state/registry", bytes(32)).enrol(code.secret, bytes([number] * 32))
    rows = json.loads(said("list", "--json"))
    assert [(row["name"], row["login"]) for row in rows] == [("desk-1", "alice"), ("desk-2", None)]
    shown = said("list")
    assert "alice" in shown
    assert "not connected yet" in shown
