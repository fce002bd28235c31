"""Which file a process runs and whether its user could have changed it, as the Linux kernel tells.

It knows /proc and file permissions. It must never decide what may be recorded (guard.py does), and takes nothing from
a window's own properties. Everything about one process is read through one folder handle, so a process id that is given to
a new process meanwhile gives errors, never a mixture of two.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from functools import lru_cache

from pbx_bridge.programs import Kind, kind_of, main_argument
from pbx_bridge.wire import ApplicationRule
from workstation_client.guard import ProcessFacts, ProgramFile

MAX_COMMAND_LINE = 64 * 1024
"""Bytes of a command line or environment worth reading; the arguments that identify a program come first."""
_DELETED = " (deleted)"


def process_facts(pid: int, *, with_hash: bool) -> ProcessFacts | None:
    """Facts about process `pid`, None when any of them cannot be had (gone, another user's, deleted file).

    P3: the executable is the file the kernel runs, and must be the same file (device, inode) that its path names for us: a
    path inside a mount namespace of the user's own making is not believed.
    """
    try:
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        path = os.readlink("exe", dir_fd=folder)
        running, named = os.stat("exe", dir_fd=folder), os.stat(path)
        if path.endswith(_DELETED) or (running.st_dev, running.st_ino) != (named.st_dev, named.st_ino):
            return None
        arguments = tuple(_words(folder, "cmdline"))
        main = _main_program(folder, path, arguments) if kind_of(path) is Kind.INTERPRETER else None
        return ProcessFacts(
            executable=_program(path, with_hash=with_hash and main is None),
            arguments=arguments,
            main_program=_program(main, with_hash=with_hash) if main is not None else None,
        )
    except (OSError, ValueError):
        return None
    finally:
        os.close(folder)


def _main_program(folder: int, executable: str, arguments: tuple[str, ...]) -> str | None:
    """The resolved main program file. A relative name counts only from the folder the process was started in.

    A process can change its folder, so its present one gives a relative name another meaning; it is believed only while it
    still is the PWD of the environment the process was started with.
    """
    written = main_argument(executable, arguments)
    if written is None:
        return None
    if not written.startswith("/"):
        here = os.readlink("cwd", dir_fd=folder)
        started = [word[4:] for word in _words(folder, "environ") if word.startswith("PWD=")]
        if len(started) != 1 or os.path.realpath(started[0]) != here:
            return None
        written = os.path.join(here, written)
    resolved = os.path.realpath(written)
    return resolved if os.path.isfile(resolved) else None


def _words(folder: int, name: str) -> list[str]:
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with open(handle, "rb") as file:
        return os.fsdecode(file.read(MAX_COMMAND_LINE)).split("\0")[:-1]


def _program(path: str, *, with_hash: bool) -> ProgramFile:
    digest = None
    if with_hash:
        seen = os.stat(path)
        digest = _sha256(path, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return ProgramFile(path, user_can_change(path), digest)


@lru_cache(maxsize=32)
def _sha256(path: str, *_version: int) -> str:
    """The file's SHA-256, computed once for each version of it (any write changes its ctime)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolved(rule: ApplicationRule) -> ApplicationRule:
    """The rule with links followed, so that it may name /usr/bin/python3 for whichever version that is.

    A link the user can change is not followed: the rule then fits no process.
    """
    executable, main = rule.executable, rule.main_program
    if main is not None and main.startswith("/"):
        main = _followed(main)
    return replace(rule, executable=_followed(executable), main_program=main)


def _followed(path: str) -> str:
    try:
        return path if user_can_change(path) else os.path.realpath(path)
    except OSError:
        return path


def user_can_change(path: str) -> bool:
    """Whether this user may write the file at the resolved `path`, or put another one there.

    True for root, who can change everything: the client is never to run as root (P3).
    """
    user = os.geteuid()
    if user == 0:
        return True
    facts = os.lstat(path)
    if facts.st_uid == user or _writable(path):
        return True
    while path != "/":
        held, path = facts, os.path.dirname(path)
        facts = os.lstat(path)
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid == user:
            return True
        sticky = bool(facts.st_mode & stat.S_ISVTX) and held.st_uid != user
        if _writable(path) and not sticky:
            return True
    return False


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)
