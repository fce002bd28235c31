"""Which program a command line names: what is certain, and everything else, which refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.programs import Kind, browser_app, kind_of, main_argument

INTERPRETERS = """python3.11 python3 pypy3 perl perl5.36 ruby3.1 node java bash dash xterm wish8.6 mono php8.2 lua5.4 env
wine64-preloader gnome-terminal-server busybox ld-linux-x86-64.so.2 electron dotnet"""


@pytest.mark.parametrize("name", INTERPRETERS.split())
def test_interpreters_and_terminals_identify_nothing(name: str) -> None:
    assert kind_of(f"/some/where/{name}") is Kind.INTERPRETER


@pytest.mark.parametrize(
    "path", ["/usr/lib/chromium/chromium", "/opt/google/chrome/chrome", "/usr/bin/firefox-esr"]
)
def test_browsers_are_known(path: str) -> None:
    assert kind_of(path) is Kind.BROWSER


@pytest.mark.parametrize("path", ["/opt/desk/desk", "/usr/bin/thunderbird", "/opt/python-crm/crm"])
def test_other_programs_are_applications(path: str) -> None:
    assert kind_of(path) is Kind.APPLICATION


@pytest.mark.parametrize(
    ("line", "main"),
    [
        ("python3 /opt/a.py x y", "/opt/a.py"),
        ("python3 -I -B /opt/a.py", "/opt/a.py"),
        ("python3 -W ignore -X utf8 /opt/a.py -c evil", "/opt/a.py"),
        ("python3 -Es a.py", "a.py"),
        ("python3", None),
        ("python3 -", None),
        ("python3 -c code /opt/a.py", None),
        ("python3 -m module /opt/a.py", None),
        ("python3 -i /opt/a.py", None),
        ("python3 -Ic code", None),
        ("bash -eu /opt/a.sh", "/opt/a.sh"),
        ("bash -c /opt/a.sh", None),
        ("bash -ec /opt/a.sh", None),
        ("bash --rcfile /home/x /opt/a.sh", None),
        ("java -Xmx1g -Dx=y -jar /opt/a.jar z", "/opt/a.jar"),
        ("java -javaagent:/home/x.jar -jar /opt/a.jar", None),
        ("java -Xbootclasspath/a:/home/x.jar -jar /opt/a.jar", None),
        ("java -cp /opt/a.jar Main", None),
        ("java @/home/x /opt/a.jar", None),
        ("node /opt/a.js", "/opt/a.js"),
        ("node -r /home/x.js /opt/a.js", None),
        ("perl -e code /opt/a.pl", None),
        ("wish8.6 /opt/a.tcl", "/opt/a.tcl"),
        ("xterm -bg blue -e /opt/a.sh x", "/opt/a.sh"),
        ("xterm -bg blue", None),
        ("xterm -T -e -e /opt/a.sh", None),
        ("busybox sh /opt/a.sh", None),
        ("gnome-terminal-server -e /opt/a.sh", None),
        ("wine64-preloader /opt/a.exe", None),
        ("env python3 /opt/a.py", None),
    ],
)
def test_the_main_program(line: str, main: str | None) -> None:
    words = line.split()
    assert main_argument(f"/usr/bin/{words[0]}", words) == main


@given(
    st.sampled_from(["python3.11", "bash", "java", "xterm", "node", "perl", "env", "wish8.6"]),
    st.lists(
        st.text(max_size=6) | st.sampled_from(["-e", "-c", "-jar", "-W", "--", "-", "@x", ""]), max_size=6
    ),
)
def test_a_main_program_is_a_word_of_the_line_that_can_only_be_a_file(name: str, words: list[str]) -> None:
    found = main_argument(f"/usr/bin/{name}", [name, *words])
    assert found is None or (found in words and not found.startswith(("-", "@")) and found)


def test_a_browser_application_needs_one_address_and_one_profile() -> None:
    chromium, app, profile = (
        "/usr/lib/chromium/chromium",
        "--app=https://crm.example/",
        "--user-data-dir=/home/u/crm",
    )
    assert browser_app(chromium, ["c", app, profile]) == ("https://crm.example/", "/home/u/crm")
    for words in (
        [app],
        [profile],
        [app, app, profile],
        [app, profile, profile],
        [app, "--user-data-dir=crm"],
    ):
        assert browser_app(chromium, ["c", *words]) is None
    for address in ("file:///etc", "https://u:p@crm.example/", "javascript:1", "https://[", ""):
        assert browser_app(chromium, ["c", f"--app={address}", profile]) is None
    assert browser_app("/usr/bin/firefox-esr", ["f", app, profile]) is None
