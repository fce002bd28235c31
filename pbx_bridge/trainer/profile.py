"""What a person's own machine remembers of a bridge: its address, its CA, its recorders' keys, and where the identity is.

The age identity never leaves this machine. It lies in the desktop's keyring, or in a file sealed with a passphrase (an
age file, which `age -d` opens too), or, when asked for by name, in a plain file of mode 0600 as age-keygen writes it.
"""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import keyring
import keyring.errors
import platformdirs

from pbx_bridge.age import (
    AgeError,
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
    armor,
    open_bytes,
    seal_bytes,
)
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Hex, Malformed, Many, Text, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import NAME, RECIPIENT, Role

PASSPHRASE_FILE: Final = "PBX_BRIDGE_PASSPHRASE_FILE"
PROFILE: Final = "PBX_BRIDGE_PROFILE"
MAX_FILE_BYTES: Final = 64 * 1024
_SERVICE: Final = "pbx-bridge"


class Where(Enum):
    """Where the identity lies."""

    KEYRING = "keyring"
    PASSPHRASE = "passphrase"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Profile:
    url: Annotated[str, Text(300)]
    ca_pem: Annotated[str, Text(16_384, lines=True)]
    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    recipient: Annotated[str, RECIPIENT]
    recorders: Annotated[tuple[Annotated[bytes, Hex(32)], ...], Many(64)]
    where: Where
    identity_file: Annotated[str, Text(4_096, 0)] = ""


def folder(chosen: str | None) -> Path:
    """The profile's folder: `--profile`, $PBX_BRIDGE_PROFILE, or the platform's place for a user's data."""
    return Path(chosen or os.environ.get(PROFILE) or platformdirs.user_data_path(_SERVICE, appauthor=False))


def load(at: Path) -> Profile:
    """Raises: OperatorError when this machine has not joined, or the file was damaged."""
    path = at / "profile.json"
    try:
        return read_fields(Profile, read_object(_read(path)))
    except FileNotFoundError:
        raise OperatorError(
            "this machine has not joined a bridge yet",
            where=str(path),
            do="Ask the administrator for an invitation, then: pbx-bridge join URL --code CODE",
        ) from None
    except Malformed as error:
        raise OperatorError(str(error), where=str(path), do="Join again with a new invitation") from None


def save(at: Path, profile: Profile) -> None:
    at.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(at / "profile.json", canonical(write_fields(profile)))


def choose_where(*, plain: bool, passphrase: bool) -> Where:
    """Where a new identity goes: as asked, else the keyring if this desktop has one, else a passphrase's file."""
    if plain:
        return Where.PLAIN
    if passphrase or os.environ.get(PASSPHRASE_FILE) or not _keyring_works():
        return Where.PASSPHRASE
    return Where.KEYRING


def keep_identity(identity: X25519Identity, where: Where, path: Path) -> None:
    """Keeps it. Raises: OperatorError when it cannot be kept; nothing has been told to the bridge by then."""
    try:
        if where is Where.KEYRING:
            keyring.set_password(_SERVICE, str(identity.recipient()), str(identity))
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if where is Where.PLAIN:
            write_whole(path, f"# public key: {identity.recipient()}\n{identity}\n".encode())
        else:
            sealed = seal_bytes(f"{identity}\n".encode(), [ScryptRecipient(_passphrase(new=True))])
            write_whole(path, armor(sealed))
    except keyring.errors.KeyringError as error:
        raise OperatorError(f"the keyring refused the key: {error}", do="Join with --passphrase") from None
    except OSError as error:
        raise OperatorError(f"the identity cannot be written: {error.strerror}", where=str(path)) from None


def forget_identity(identity: X25519Identity, where: Where, path: Path) -> None:
    """Removes an identity the bridge never took."""
    if where is not Where.KEYRING:
        path.unlink(missing_ok=True)
        return
    with suppress(keyring.errors.KeyringError):
        keyring.delete_password(_SERVICE, str(identity.recipient()))


def identity(profile: Profile) -> X25519Identity:
    """The identity, asked of the keyring or the passphrase. Raises: OperatorError."""
    path = Path(profile.identity_file)
    try:
        if profile.where is Where.KEYRING:
            text = keyring.get_password(_SERVICE, profile.recipient) or ""
            place = "the keyring"
        else:
            place = str(path)
            content = _read(path)
            if profile.where is Where.PASSPHRASE:
                content = open_bytes(content, [ScryptIdentity(_passphrase(new=False))])
            text = next((s for s in content.decode("ascii").splitlines() if s and not s.startswith("#")), "")
        found = X25519Identity.parse(text)
    except keyring.errors.KeyringError as error:
        raise OperatorError(f"the keyring does not answer: {error}", do="Unlock it and try again") from None
    except OSError as error:
        raise OperatorError(f"the identity cannot be read: {error.strerror}", where=str(path)) from None
    except (AgeError, UnicodeDecodeError) as error:
        raise OperatorError(f"the identity cannot be opened: {error}", where=str(path)) from None
    if str(found.recipient()) != profile.recipient:
        raise OperatorError(
            "this is not the identity that joined", where=place, do="Join again with a new invitation"
        )
    return found


def _passphrase(*, new: bool) -> str:
    """From the file $PBX_BRIDGE_PASSPHRASE_FILE names, else from the person. Raises: OperatorError."""
    named = os.environ.get(PASSPHRASE_FILE)
    if named:
        try:
            return _read(Path(named)).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise OperatorError(
                "the passphrase file cannot be read", where=named, do=f"Mend ${PASSPHRASE_FILE}"
            ) from None
    if not sys.stdin.isatty():
        raise OperatorError(
            "a passphrase is needed and nobody can be asked here",
            do=f"Name a file that holds it in ${PASSPHRASE_FILE}, or run this in a terminal",
        )
    first = getpass.getpass("Passphrase for your key: ")
    if new and first != getpass.getpass("The same once more: "):
        raise OperatorError("the two passphrases differ", do="Try again")
    if not first:
        raise OperatorError("an empty passphrase protects nothing", do="Try again")
    return first


def _keyring_works() -> bool:
    try:
        return keyring.get_keyring().priority > 0
    except (keyring.errors.KeyringError, RuntimeError):
        return False


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_FILE_BYTES)
