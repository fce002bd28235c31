"""docker/compose.freeswitch.yaml: what it changes, and, where the environment names an image of FreeSWITCH, its whole call.

    PBX_BRIDGE_FREESWITCH_IMAGE=my/freeswitch:1.11 ./run test docker

No package of FreeSWITCH exists, so no image can be built here: without one the second test is not collected. The image is
looked for on the engine the tests use, which with PBX_BRIDGE_DOCKER_HOST is the site's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.docker.engine import Engine
from tests.docker.project import FILE, LASTING, ONCE, Project
from tests.rig.containers.truth import kept
from tests.rig.proof import decode, judge, open_sealed, table

OVERRIDE = FILE.with_name("compose.freeswitch.yaml")
IMAGE = os.environ.get("PBX_BRIDGE_FREESWITCH_IMAGE", "")


@pytest.fixture(scope="module")
def with_freeswitch(engine: Engine) -> Iterator[Project]:
    project = Project(engine, "pbx-bridge-test-fs", OVERRIDE, FREESWITCH_IMAGE=IMAGE or "a-sites/freeswitch")
    project.down()
    try:
        yield project
    finally:
        project.down()


def test_the_override_swaps_the_pbx_and_loosens_nothing(with_freeswitch: Project) -> None:
    """As Compose merges the two files."""
    services = json.loads(with_freeswitch.compose("--profile", "admin", "config", "--format", "json"))[
        "services"
    ]
    pbx = services["pbx"]
    assert pbx["image"] == (IMAGE or "a-sites/freeswitch")
    assert "build" not in pbx
    assert not any(
        "/asterisk" in volume["source"] for name in ("init", "pbx") for volume in services[name]["volumes"]
    )
    for name in ("keeper", "bridge", "admin", "enrol"):
        mounted = {volume["target"]: volume["source"] for volume in services[name]["volumes"]}
        assert mounted["/etc/pbx-bridge/config.toml"].endswith("config.freeswitch.toml"), name
    shared = [name for name, one in services.items() if "pipes" in json.dumps(one.get("volumes", []))]
    assert sorted(shared) == ["bridge", "pbx"]
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["user"].partition(":")[0]) >= 10_000, name
        assert "ports" not in service, name


if IMAGE:

    def test_the_call_goes_through_the_sites_freeswitch(with_freeswitch: Project) -> None:
        with_freeswitch.build()
        ended = with_freeswitch.up()
        assert ended == 0, with_freeswitch.logs("call", "pbx", "bridge")[-8000:]
        (sealed,) = with_freeswitch.volume("recordings").glob("*.age")
        opened = open_sealed(sealed, with_freeswitch.volume("people") / "bruno.key")
        checks = judge(decode(opened), kept(sealed.with_suffix(".npz")))
        assert all(check.holds for check in checks), table(checks)
        findings = json.loads(with_freeswitch.admin("doctor", "--json"))
        assert not [finding for finding in findings if not finding["good"]]
        for service in (*LASTING, *ONCE):
            assert int(with_freeswitch.inspected(service)["Config"]["User"].partition(":")[0]) >= 10_000
        for service in LASTING:
            for _, status in with_freeswitch.processes(service):
                assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
        assert not list(with_freeswitch.volume("pipes").iterdir()), "P17: the pipes go with the call"
