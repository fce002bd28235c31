"""`./run` from the outside, as far as it costs nothing; that it works on a fresh machine is shown by using it there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pbx_bridge.cli import TRAINER_COMMANDS
from tests.rig.install import Installed

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ROOT / "run", *arguments], capture_output=True, text=True, timeout=60, cwd="/", check=False
    )


@pytest.mark.parametrize("argument", ["help", "--help", "-h"])
def test_help_names_every_command(argument: str) -> None:
    done = run(argument)
    assert done.returncode == 0
    assert re.findall(r"^  (\w+)", done.stdout, re.MULTILINE) == ["demo", "test", "lint", "bench", "mutate"]


@pytest.mark.parametrize("arguments", [("dmeo",), ("demo", "--seconds", "soon"), ("demo", "--secnods", "20")])
def test_bad_input_says_what_is_wrong_and_exits_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr or arguments[-2] in done.stderr


def test_continuous_integration_runs_what_a_person_runs() -> None:
    """Both commands, and the exit code says when either failed."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[-3:] == ['"$run" test || status=$?', '"$run" test docker || status=$?', 'exit "$status"']


def test_all_is_every_test_and_lint_and_fails_when_either_does(tmp_path: Path) -> None:
    """With programs of ours in the places of pytest, ruff and mypy: what the script starts, and its exit code."""
    script = (ROOT / "run").read_text()
    functions = script[script.index("say() {") : script.index("main() {")]
    for tests, lint, code in ((0, 0, 0), (3, 0, 3), (0, 1, 1), (5, 1, 1)):
        ours = f"lint() {{ echo linted; exit {lint}; }}\nlint_beside bash -c 'echo tested $*; exit {tests}' - a b"
        source = f"{functions}\n{ours}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", source],
            capture_output=True, text=True, check=False, env={**os.environ, "ROOT": "/", "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        assert (done.returncode, done.stdout.split()) == (code, ["tested", "a", "b", "linted"]), done.stderr
    case = script[script.index("        all)\n") : script.index("      esac\n      prepare")]
    assert '"${tests[@]}" "${lanes[@]}" "${@:2}"' in case
    assert "--ignore" not in case


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_the_scripts_name_no_host(script: str) -> None:
    """Packages come from wherever the machine's own pip and apt are set up to take them from."""
    assert not re.search(r"https?://|index-url|trusted-host|deb \[", (ROOT / script).read_text())


def test_the_workstation_gets_files_its_user_cannot_write(installed: Installed) -> None:
    for path in (installed.python, installed.client, installed.program("business_app.py")):
        for step in (path, *path.parents):
            assert step.lstat().st_uid == 0
            assert step.is_symlink() or not step.stat().st_mode & 0o002 or step.stat().st_mode & 0o1000
            assert step.is_symlink() or step.stat().st_mode & 0o004
    source = "import av, websockets, xcffib, workstation_client, pbx_bridge; print(pbx_bridge.__file__)"
    found = subprocess.run(
        ["sudo", "-u", "nobody", installed.python, "-P", "-c", source],
        capture_output=True, text=True, cwd="/", check=True,
    )  # fmt: skip
    assert found.stdout.startswith(str(installed.folder))


def test_a_trainers_machine_has_only_the_base_install(trainer_machine: Installed) -> None:
    source = "import Crypto, keyring, platformdirs, pbx_bridge.age\nimport {}"
    for library in ("av", "websockets", "pydantic", "typer", "xcffib", "aiohttp"):
        found = subprocess.run(
            [trainer_machine.python, "-P", "-c", source.format(library)],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        assert f"No module named '{library}'" in found.stderr


def test_a_trainers_machine_helps_with_its_own_commands(trainer_machine: Installed) -> None:
    for words in ([], ["--help"]):
        said = subprocess.run(
            [trainer_machine.python, "-P", "-m", "pbx_bridge", *words],
            capture_output=True, text=True, cwd="/", check=True,
        ).stdout  # fmt: skip
        assert set(re.findall(r"^    (\S+)", said, re.MULTILINE)) == TRAINER_COMMANDS
