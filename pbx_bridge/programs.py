"""Which program a process really runs, read from its executable's name and its arguments, and whether a rule about it
can be used. Shared with the workstation client: the bridge refuses at configuration what the client would refuse (P3).

It knows the programs that identify nothing by themselves (interpreters, runtimes, terminals, browsers) and how the command
line of each names the file that does. It must never touch a file, a process or a window: it reads words only, and what it
cannot read with certainty it answers with None, which refuses.

What a command line is worth: the kernel writes it at exec, and the process itself may write over it afterwards. It therefore
tells honest programs apart; a program that forges its own arguments to be recorded as the business application records
itself, under the user's own account (docs/privacy.md, residual risks). It can never make another program's window pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

from pbx_bridge.wire import MAX_MASKS, MAX_PAUSE_TITLES, ApplicationRule

MAX_TITLE_PATTERN = 256
"""Characters of a title pattern; a longer one is no narrowing but a program of its own."""


class Kind(Enum):
    """What the name of an executable says about it."""

    APPLICATION = "application"
    INTERPRETER = "interpreter"
    BROWSER = "browser"


_INTERPRETERS = re.compile(
    r"""(python|pypy|perl|ruby|irb|node|nodejs|deno|bun|php|lua|luajit|R|Rscript|julia|guile|racket|gjs|cjs|seed
    |java|javaw|jshell|mono|mono-sgen|dotnet|pwsh|electron|nw|wish|tclsh|expect|sh|bash|dash|zsh|ksh|mksh|fish|csh|tcsh
    |busybox|env|wine|wine64|wine-preloader|wine64-preloader|qemu-[A-Za-z0-9_]+|ld-linux[A-Za-z0-9_.-]*
    |ld-[0-9][A-Za-z0-9_.-]*|flatpak|snap|bwrap
    |xterm|uxterm|lxterm|rxvt|urxvt|urxvtd|st|alacritty|kitty|foot|mlterm|eterm|konsole|terminator|tilix|lxterminal
    |xfce4-terminal|mate-terminal|gnome-terminal|gnome-terminal-server|kgx|ptyxis|wezterm|wezterm-gui)
    [0-9.]*\Z""",
    re.VERBOSE,
)
_BROWSERS = re.compile(
    r"(chromium|chromium-browser|chrome|google-chrome|brave|brave-browser|msedge|microsoft-edge|opera|vivaldi|vivaldi-bin"
    r"|firefox|firefox-esr|firefox-bin|librewolf|epiphany|epiphany-browser|falkon|qutebrowser|konqueror)(-stable|-beta|-dev)?\Z"
)
_CHROMIUM = re.compile(r"(chrom|google-chrome|brave|msedge|microsoft-edge|vivaldi)")
_TERMINALS_WITH_OWN_PROCESS = re.compile(r"(xterm|uxterm|lxterm|rxvt|urxvt|st|mlterm|alacritty)\Z")
_NO_MAIN_FILE = re.compile(
    r"(env|busybox|wine.*|qemu-.*|ld-.*|flatpak|snap|bwrap|jshell|irb|deno|konsole|terminator|tilix|lxterminal"
    r"|xfce4-terminal|mate-terminal|gnome-terminal.*|kgx|ptyxis|wezterm.*|kitty|foot|eterm|urxvtd)\Z"
)
_PYTHON_FLAGS = re.compile(r"-[bBdEIOPqRsSuvx]+\Z")
_SHELL_FLAGS = re.compile(r"-[aefhnuvxBCEHPT]+\Z")
_JAVA_FLAGS = re.compile(
    r"(-D.*|-X(?!bootclasspath).*|-server|-client|-ea|-esa|--add-(opens|exports|modules)=.*)\Z", re.DOTALL
)


def kind_of(executable: str) -> Kind:
    """What the executable at this path is, by its name."""
    name = executable.rsplit("/", 1)[-1]
    if _BROWSERS.match(name):
        return Kind.BROWSER
    return Kind.INTERPRETER if _INTERPRETERS.match(name) else Kind.APPLICATION


def main_argument(executable: str, arguments: Sequence[str]) -> str | None:
    """The main program file an interpreter, runtime or terminal was started with, as written; None when not certain.

    Options that run something else (python -c and -m, perl -e, java -javaagent, a shell's -c) are "not certain" too.
    """
    name = executable.rsplit("/", 1)[-1].rstrip("0123456789.")
    rest = list(arguments[1:])
    if _NO_MAIN_FILE.match(name):
        return None
    if _TERMINALS_WITH_OWN_PROCESS.match(name):
        return _plain(rest[rest.index("-e") + 1 :]) if "-e" in rest else None
    if name in ("java", "javaw"):
        while rest and _JAVA_FLAGS.match(rest[0]):
            del rest[0]
        return _plain(rest[1:]) if rest[:1] == ["-jar"] else None
    if name in ("python", "pypy"):
        while rest and (_PYTHON_FLAGS.match(rest[0]) or rest[0] in ("-W", "-X")):
            del rest[: 2 if rest[0] in ("-W", "-X") else 1]
    elif name in ("sh", "bash", "dash", "zsh", "ksh", "mksh"):
        while rest and _SHELL_FLAGS.match(rest[0]):
            del rest[0]
    return _plain(rest)


def _plain(rest: Sequence[str]) -> str | None:
    """The first of `rest` when it can only be a file's name."""
    return rest[0] if rest and rest[0] and not rest[0].startswith(("-", "@")) else None


def browser_app(executable: str, arguments: Sequence[str]) -> tuple[str, str] | None:
    """P5: the address and the profile folder of a browser running as an application, None for an ordinary browser.

    Only Chromium's family has such a mode: `--app=URL` and a `--user-data-dir=DIR` of its own, each exactly once.
    """
    if not _CHROMIUM.match(executable.rsplit("/", 1)[-1]):
        return None
    address = [word[6:] for word in arguments[1:] if word.startswith("--app=")]
    profile = [word[16:] for word in arguments[1:] if word.startswith("--user-data-dir=")]
    if len(address) != 1 or len(profile) != 1 or not profile[0].startswith("/"):
        return None
    return (address[0], profile[0]) if is_address(address[0]) else None


def is_address(text: str) -> bool:
    """Whether `text` can name the one site of a browser application: http(s), a host, nothing of a person in it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not parts.username
        and not parts.password
    )


def is_app_instance(instance: str, address: str) -> bool:
    """Whether a WM_CLASS instance is that of an app-mode window of `address`: its host, or host, `_` and the path.

    Chromium's ordinary windows carry the browser's name instead.
    """
    host = urlsplit(address).hostname or ""
    return bool(host) and (instance == host or instance.startswith(f"{host}_"))


def rule_fault(rule: ApplicationRule) -> str | None:
    """P3, P5: what is wrong with a rule as configured, as a sentence for the operator; None when it can be used."""
    if not rule.executable.startswith("/"):
        return f"executable must be a full path, not {rule.executable!r}"
    if not rule.wm_class:
        return "wm_class is missing: a window is matched by process and class (see `xprop WM_CLASS`)"
    kind = kind_of(rule.executable)
    if kind is Kind.BROWSER:
        if rule.main_program is None or not is_address(rule.main_program):
            return "a browser is not an application: main_program must be the address it is started with by --app="
    elif rule.main_program is None:
        if kind is Kind.INTERPRETER:
            return f"{rule.executable} runs any program: main_program must name the application's own file"
    elif not rule.main_program.startswith("/"):
        return f"main_program must be a full path, not {rule.main_program!r}"
    if rule.title is not None and (fault := _pattern_fault("title", rule.title)):
        return fault
    for pattern in rule.pause_titles:
        if fault := pause_title_fault(pattern):
            return fault
    if len(rule.masks) > MAX_MASKS or len(rule.pause_titles) > MAX_PAUSE_TITLES:
        return f"at most {MAX_MASKS} masks and {MAX_PAUSE_TITLES} pause titles for one application"
    if any(mask.width < 1 or mask.height < 1 for mask in rule.masks):
        return "a mask needs a width and a height"
    if rule.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", rule.sha256):
        return "sha256 must be 64 hexadecimal digits"
    return None


def pause_title_fault(pattern: str) -> str | None:
    """P7: what is wrong with a pause title; None when it can be used."""
    if fault := _pattern_fault("a pause title", pattern):
        return fault
    if re.search(pattern, ""):
        return "a pause title that fits every title would pause everything: name the payment's window"
    return None


def _pattern_fault(what: str, pattern: str) -> str | None:
    if not pattern.isprintable():
        return f"{what} has characters that cannot be printed"
    if len(pattern) > MAX_TITLE_PATTERN:
        return f"{what} is longer than {MAX_TITLE_PATTERN} characters"
    try:
        re.compile(pattern)
    except re.error as fault:
        return f"{what} is not a regular expression: {fault}"
    return None
