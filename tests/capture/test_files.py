"""Which file a process runs, and whether its user could have changed it: real processes and permissions, as that user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.rig.desktop import ordinary_user, until
from tests.rig.install import Installed
from workstation_client.capture.files import process_facts, resolved, user_can_change


@pytest.fixture
def user() -> pwd.struct_passwd:
    return ordinary_user()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Root's, readable by all, outside of any folder a user may write."""
    made = Path(tempfile.mkdtemp(prefix="pbx-bridge-files-", dir="/opt"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def as_user(user: pwd.struct_passwd, installed: Installed, expression: str) -> str:
    """What `expression` of workstation_client.capture.files gives to that user."""
    code = f"from workstation_client.capture.files import *; print({expression})"
    done = subprocess.run(
        [installed.python, "-P", "-c", code],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def changeable(user: pwd.struct_passwd, installed: Installed, path: Path) -> bool:
    return as_user(user, installed, f"user_can_change({str(path)!r})") == "True"


def test_a_program_of_the_system_cannot_be_changed(user: pwd.struct_passwd, installed: Installed) -> None:
    assert not changeable(user, installed, Path("/usr/bin/env"))


@pytest.mark.parametrize(
    "how", ["owned", "writable", "folder owned", "folder writable", "folder of the folder", "group"]
)
def test_what_the_user_can_write_or_replace_is_changeable(
    how: str, user: pwd.struct_passwd, installed: Installed, folder: Path
) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    program = inner / "program"
    program.write_text("x")
    program.chmod(0o755)
    assert not changeable(user, installed, program)
    match how:
        case "owned":
            os.chown(program, user.pw_uid, 0)
        case "writable":
            program.chmod(0o757)
        case "folder owned":
            os.chown(inner, user.pw_uid, 0)
        case "folder writable":
            inner.chmod(0o777)
        case "folder of the folder":
            inner.parent.chmod(0o777)
        case "group":
            os.chown(program, 0, user.pw_gid)
            program.chmod(0o775)
    assert changeable(user, installed, program)


def test_a_sticky_folder_protects_what_is_not_the_users(
    user: pwd.struct_passwd, installed: Installed, folder: Path
) -> None:
    folder.chmod(0o1777)
    program = folder / "program"
    program.write_text("x")
    assert not changeable(user, installed, program)
    os.chown(program, user.pw_uid, 0)
    assert changeable(user, installed, program)


def test_root_can_change_everything() -> None:
    assert user_can_change("/usr/bin/env")


def test_a_link_is_followed_only_when_the_user_cannot_turn_it(
    user: pwd.struct_passwd, installed: Installed, folder: Path
) -> None:
    link, home = folder / "link", folder / "home"
    link.symlink_to("/usr/bin/env")
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    (home / "link").symlink_to("/usr/bin/env")
    for written, meant in ((link, Path("/usr/bin/env")), (home / "link", home / "link")):
        rule_of = f"resolved(ApplicationRule('x', {str(written)!r}, None, 'C', None, None))"
        assert as_user(user, installed, f"{rule_of}.executable") == str(meant)
    rule = ApplicationRule("browser", "/usr/bin/env", "https://crm.example/", "C", None, None)
    assert resolved(rule).main_program == "https://crm.example/"


@contextlib.contextmanager
def running(*command: str | Path, name: str) -> Iterator[int]:
    """A process, from the moment it has become the program of that name."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    try:
        seen = Path(f"/proc/{process.pid}")
        until("the program runs", lambda: (seen / "exe").readlink().name.startswith(name), 5)
        until("its arguments are there", lambda: (seen / "cmdline").read_bytes(), 5)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_the_executable_and_its_digest_are_read(folder: Path) -> None:
    program = folder / "sleeper"
    shutil.copyfile("/bin/sleep", program)
    program.chmod(0o755)
    with running(program, "60", name="sleeper") as pid:
        facts = process_facts(pid, with_hash=True)
        assert facts is not None
        assert facts.executable.path == str(program)
        assert facts.arguments == (str(program), "60")
        digest = subprocess.run(
            ["sha256sum", program], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        assert facts.executable.sha256 == digest
        other = folder / "other"
        shutil.copyfile("/bin/cat", other)
        os.replace(other, program)
        assert process_facts(pid, with_hash=False) is None, (
            "the file that runs is no longer the one of that name"
        )


def test_a_path_inside_a_mount_namespace_of_the_users_making_is_not_believed(folder: Path) -> None:
    genuine, private = folder / "genuine", folder / "private"
    for path in (genuine, private):
        shutil.copyfile("/bin/sleep", path)
        path.chmod(0o755)
    script = f"mount --bind {private} {genuine} && exec {genuine} 60"
    with running("unshare", "--mount", "sh", "-c", script, name="genuine") as pid:
        assert os.readlink(f"/proc/{pid}/exe") == str(genuine)
        assert process_facts(pid, with_hash=False) is None


def test_a_process_that_is_gone_or_another_users_is_unknown(
    user: pwd.struct_passwd, installed: Installed
) -> None:
    assert process_facts(2**22 - 1, with_hash=False) is None
    assert as_user(user, installed, "process_facts(1, with_hash=False)") == "None"
