"""docker/ for real: an engine of our own builds it, brings it up, and one call goes through all of it.

The tests stand in the order in which a person would look: the call, the sealed file, who runs as what, what each may
reach, and what happens when a part ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx_bridge.age import X25519Identity
from tests.docker.project import IMAGES, LASTING, NAME, ONCE, Project
from tests.rig.containers.truth import kept
from tests.rig.proof import decode, judge, open_sealed, table

pytestmark = pytest.mark.usefixtures("exit_code")

BACK_S = 120.0


def sealed_files(project: Project) -> list[Path]:
    return sorted(project.volume("recordings").glob("*.age"))


def trainers_key(project: Project) -> Path:
    return project.volume("people") / "bruno.key"


def until(what: str, condition: Callable[[], bool], within_s: float = BACK_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within_s:.0f} s"
        time.sleep(0.5)  # another program's state: nothing to wait on


# ---------------------------------------------------------------- the call


def test_the_call_goes_through_all_of_it_and_is_proven_inside(project: Project, exit_code: int) -> None:
    said = project.logs("call")
    assert exit_code == 0, said + project.logs("bridge", "desktop")[-6000:]
    assert "call: proven" in said
    assert "FAIL" not in said


def test_the_sealed_file_in_the_volume_is_proven_from_outside(project: Project) -> None:
    """By this machine's own age and decoder, against what the telephones and the desktop noted."""
    (sealed,) = sealed_files(project)
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1\n")
    checks = judge(decode(open_sealed(sealed, trainers_key(project))), kept(sealed.with_suffix(".npz")))
    assert all(check.holds for check in checks), table(checks)


def test_no_other_key_opens_it(project: Project, tmp_path: Path) -> None:
    (sealed,) = sealed_files(project)
    stranger = tmp_path / "stranger.key"
    stranger.write_text(f"{X25519Identity.generate()}\n")
    approvers = project.volume("people") / "carla/identity.txt"
    for identity in (stranger, approvers):
        with pytest.raises(ValueError, match="no identity matched"):
            open_sealed(sealed, identity)


# ---------------------------------------------------------------- who runs as what


def test_every_lasting_service_is_healthy_and_the_others_ended_well(project: Project) -> None:
    for service in LASTING:
        state = project.inspected(service)["State"]
        assert state["Running"], service
        assert service == "net" or state["Health"]["Status"] == "healthy", service
    for service in ONCE:
        assert project.inspected(service)["State"]["ExitCode"] == 0, project.logs(service)


@pytest.mark.parametrize("service", [*LASTING, *ONCE])
def test_nobody_is_root_nor_may_become_it(project: Project, service: str) -> None:
    found = project.inspected(service)
    user = found["Config"]["User"].partition(":")[0]
    assert int(user) >= 10_000
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert not found["HostConfig"]["CapAdd"]
    assert not found["HostConfig"]["Privileged"]
    assert "no-new-privileges:true" in found["HostConfig"]["SecurityOpt"]


@pytest.mark.parametrize("service", LASTING)
def test_no_process_has_any_right_of_roots(project: Project, service: str) -> None:
    """Asked of the kernel, for each process that runs inside."""
    seen = 0
    for _, status in project.processes(service):
        assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split(), status
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"
        seen += 1
    assert seen


@pytest.mark.parametrize("service", LASTING)
def test_roots_are_read_only(project: Project, service: str) -> None:
    pid, _ = next(project.processes(service))
    assert os.statvfs(f"/proc/{pid}/root/").f_flag & os.ST_RDONLY
    for mount in project.inspected(service)["Mounts"]:
        inside = f"/proc/{pid}/root{mount['Destination']}"
        assert bool(os.statvfs(inside).f_flag & os.ST_RDONLY) is not mount["RW"], inside


def test_the_images_name_a_user_themselves(project: Project) -> None:
    for image in IMAGES:
        user = project.engine.inspect(image)[0]["Config"]["User"]
        assert int(user.partition(":")[0]) >= 10_000, image


# ---------------------------------------------------------------- secrets


def secrets(project: Project) -> list[bytes]:
    """What must be nowhere but in its volume: the PBX's passwords, the keeper's and the people's keys."""
    found = [path.read_bytes().strip() for path in project.volume("secrets").glob("*.secret")]
    assert len(found) == 2
    keys = [project.volume("keeper") / "keeper.key", trainers_key(project)]
    keys.append(project.volume("people") / "carla/identity.txt")
    for key in keys:
        found += [line for line in key.read_bytes().split() if line.startswith(b"AGE-SECRET-KEY-")]
    assert len(found) >= 5
    assert all(len(secret) >= 24 for secret in found)
    return found


def test_secrets_belong_to_their_one_reader(project: Project) -> None:
    def seen(path: Path) -> tuple[int, int, str]:
        known = path.stat()
        return known.st_uid, known.st_gid, stat.filemode(known.st_mode)

    for path in project.volume("secrets").glob("*.secret"):
        assert seen(path)[0::2] == (10001, "-rw-------")
    assert seen(project.volume("keeper"))[0::2] == (10002, "drwx------")
    assert seen(project.volume("keeper") / "keeper.key")[0::2] == (10002, "-rw-------")
    for path in (project.volume("pbx-config"), project.volume("pbx-config") / "pbxb/manager_pbxb.conf"):
        assert seen(path)[:2] == (10001, 10004)
        assert not path.stat().st_mode & 0o007


def test_no_image_and_no_log_holds_a_secret(project: Project) -> None:
    hidden = secrets(project)
    said = (
        project.logs().encode()
        + json.dumps([project.inspected(service) for service in (*LASTING, *ONCE)]).encode()
    )
    assert b"/etc/pbx-bridge/secrets" in said, "a control: this search finds what is there"
    assert not [secret for secret in hidden if secret in said]
    found = in_images(project, [*hidden, b"password = CHANGE-ME"])
    assert found == {b"password = CHANGE-ME"}, (
        "a control: the dialplan's own placeholder is found, and nothing else"
    )


def in_images(project: Project, wanted: list[bytes]) -> set[bytes]:
    """Which of these stand anywhere in the images' layers and histories."""
    saving = subprocess.Popen(
        ["docker", "save", *IMAGES], stdout=subprocess.PIPE, env=project.engine.environment
    )
    assert saving.stdout is not None
    found, tail = set[bytes](), b""
    while piece := saving.stdout.read(1 << 22):
        whole = tail + piece
        found |= {one for one in wanted if one in whole}
        tail = whole[-256:]
    assert saving.wait() == 0
    return found


def test_nothing_in_clear_lies_in_any_volume(project: Project) -> None:
    """P17: no WebM, no raw voice; what the bridge keeps of the call is one age file."""
    (kept_file,) = (project.volume("state") / "sealed").glob("*.age")
    assert kept_file.read_bytes().startswith(b"age-encryption.org/v1\n")
    for name in ("state", "keeper", "pbx-config", "recordings", "people", "secrets"):
        for path in project.volume(name).rglob("*"):
            if path.is_file():
                assert not path.read_bytes().startswith((b"\x1a\x45\xdf\xa3", b"OggS")), path


# ---------------------------------------------------------------- what each may reach


def test_the_bridge_is_no_administrator_and_has_no_key(project: Project) -> None:
    """P17, P22: the recording side cannot even see the keeper's folder, nor invite anybody."""
    mounts = {mount["Destination"] for mount in project.inspected("bridge")["Mounts"]}
    assert "/var/lib/pbx-bridge" in mounts
    assert "/var/lib/pbx-bridge/keeper" not in mounts
    asked = ("exec", "--no-TTY", "bridge", "pbx-bridge", "person", "invite", "eve", "--role", "auditor")
    done = project.engine.tried("compose", "-p", NAME, *asked)
    assert done.returncode == 2
    assert "may not ask the keeper for that" in done.stderr
    assert {"carla", "bruno"} == {
        one["name"] for one in json.loads(project.admin("person", "list", "--json"))
    }


def test_the_keeper_has_no_network(project: Project) -> None:
    pid, _ = next(project.processes("keeper"))
    devices = [
        line.split(":")[0].strip() for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    ]
    assert devices == ["lo"]


def test_only_the_encrypted_ports_are_reached_from_outside(project: Project) -> None:
    """What is clear text stays on the loopback that PBX and bridge share."""
    (network,) = project.inspected("net")["NetworkSettings"]["Networks"].values()
    reached = set()
    for port in (4573, 5038, 5060, 7443, 7444, 8088, 9092):
        with socket.socket() as one:
            one.settimeout(2)
            if one.connect_ex((network["IPAddress"], port)) == 0:
                reached.add(port)
    assert reached == {7443, 7444}
    for shared in ("pbx", "bridge", "call"):
        assert (
            project.inspected(shared)["HostConfig"]["NetworkMode"] == f"container:{project.container('net')}"
        )
    assert not project.inspected("net")["HostConfig"]["PortBindings"]


def test_doctor_finds_nothing_wrong(project: Project) -> None:
    findings = json.loads(project.admin("doctor", "--json"))
    assert not [finding for finding in findings if not finding["good"]]
    assert {"Asterisk AMI", "Asterisk ARI", "keeper"} <= {finding["subject"] for finding in findings}


# ---------------------------------------------------------------- when a part ends


def test_a_bridge_whose_keeper_ended_ends_too_and_both_come_back(project: Project) -> None:
    def pid(service: str) -> int:
        return int(project.inspected(service)["State"]["Pid"])

    before = pid("keeper"), pid("bridge")
    os.kill(before[0], signal.SIGKILL)
    until("the bridge was started anew", lambda: pid("bridge") not in (0, before[1]))
    until(
        "both are healthy",
        lambda: (
            {project.inspected(one)["State"]["Health"]["Status"] for one in ("keeper", "bridge")}
            == {"healthy"}
        ),
    )
    assert pid("keeper") != before[0]
    assert "the keeper ended, so the bridge ends too" in project.logs("bridge")


def test_a_second_up_keeps_what_is_there_and_makes_another_call(project: Project) -> None:
    """After the PBX was replaced: the network that bridge and PBX share is the service `net`'s."""
    before = secrets(project)
    project.compose("up", "--detach", "--no-deps", "--force-recreate", "pbx", within_s=120)
    (first,) = sealed_files(project)
    assert project.up() == 0, project.logs("call", "enrol", "bridge")[-8000:]
    assert secrets(project) == before
    assert first in sealed_files(project)
    assert len(sealed_files(project)) == 2
