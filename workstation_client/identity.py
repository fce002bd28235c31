"""Who this workstation is: the bridge's address and CA, its name there, and its device key.

The key lies in the desktop's keyring where there is one (Secret Service, KWallet, Keychain, Windows), else in a file
only its user can read. Everything else is a small JSON file beside it. It opens no connection.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import keyring.backend
import keyring.errors
import platformdirs

from pbx_bridge.errors import OperatorError
from pbx_bridge.wire import Key, Name
from pbx_bridge.wire_json import Hex, Malformed, Text, read_fields, read_object, write_fields
from pbx_bridge.wire_proof import public_key

log = logging.getLogger(__name__)

_SERVICE: Final = "pbx-bridge workstation"
_TRUSTED_KEYRINGS: Final = ("SecretService", "kwallet", "macOS", "Windows", "libsecret")
"""Back ends that keep a secret under the user's login; others (plain-text files, null) are not used."""
_MAX_FILE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled workstation."""

    url: str
    ca_pem: str
    station: str
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Stored:
    url: Annotated[str, Text(300)]
    ca_pem: Annotated[str, Text(8000, lines=True)]
    station: Name
    key: Key
    """The public key: finds the secret one in the keyring."""


@dataclass(frozen=True, slots=True)
class _KeyFile:
    seed: Annotated[bytes, Hex(32)]


def state_dir() -> Path:
    """Where this user's enrolment and acknowledgement lie."""
    return platformdirs.user_state_path("pbx-bridge-workstation", appauthor=False)


def save(identity: Identity, folder: Path, *, in_file: bool = False) -> str:
    """Stores it; says where the key went. Raises: OperatorError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = public_key(identity.seed)
    place = None if in_file else _into_keyring(key, identity.seed)
    if place is None:
        write_private(folder / "key.json", json.dumps(write_fields(_KeyFile(identity.seed))))
        place = f"the file {folder / 'key.json'}"
    else:
        with contextlib.suppress(FileNotFoundError):
            (folder / "key.json").unlink()
    stored = _Stored(identity.url, identity.ca_pem, identity.station, key)
    write_private(folder / "station.json", json.dumps(write_fields(stored), indent=1))
    return place


def load(folder: Path) -> Identity:
    """The enrolment of this user. Raises: OperatorError with what to do."""
    path = folder / "station.json"
    try:
        stored = read_fields(_Stored, read_object(_read(path)))
    except FileNotFoundError:
        raise OperatorError(
            "this workstation is not enrolled",
            where=str(path),
            do="Ask the administrator for a code, then: workstation-client enrol URL --code CODE",
        ) from None
    except (Malformed, OSError) as error:
        raise OperatorError(f"it cannot be read ({error})", where=str(path), do="Enrol anew") from None
    seed = _seed(folder, stored.key)
    if public_key(seed) != stored.key:
        raise OperatorError("the device key is not the one enrolled", where=str(folder), do="Enrol anew")
    return Identity(stored.url, stored.ca_pem, stored.station, seed)


def _seed(folder: Path, key: bytes) -> bytes:
    path = folder / "key.json"
    try:
        return read_fields(_KeyFile, read_object(_read(path))).seed
    except FileNotFoundError:
        pass
    except (Malformed, OSError) as error:
        raise OperatorError(
            f"the device key cannot be read ({error})", where=str(path), do="Enrol anew"
        ) from None
    for backend in _keyrings():
        with contextlib.suppress(keyring.errors.KeyringError, ValueError):
            if found := backend.get_password(_SERVICE, key.hex()):
                return bytes.fromhex(found)
    raise OperatorError(
        "the device key is in the keyring, and the keyring does not give it",
        do="Unlock the keyring (log in on the desktop), or enrol anew",
    )


def _keyrings() -> list[keyring.backend.KeyringBackend]:
    """Those fit for a secret, best first. `keyring.get_keyring` may be a chain with unfit ones in it."""
    fit = [
        backend
        for backend in keyring.backend.get_all_keyring()
        if type(backend).__module__.rpartition(".")[2] in _TRUSTED_KEYRINGS
    ]
    return sorted(fit, key=lambda backend: -backend.priority)


def _into_keyring(key: bytes, seed: bytes) -> str | None:
    """Where it went; None where there is no keyring fit for a secret."""
    for backend in _keyrings():
        try:
            backend.set_password(_SERVICE, key.hex(), seed.hex())
            if backend.get_password(_SERVICE, key.hex()) == seed.hex():
                return "the desktop's keyring"
        except (keyring.errors.KeyringError, RuntimeError, OSError) as error:
            log.info("no keyring: %s", error)
    return None


def write_private(path: Path, text: str) -> None:
    """Writes whole or not at all, readable by this user only."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _read(path: Path) -> bytes:
    """Raises: OperatorError when others could have read or written it."""
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        if stat.S_IMODE(facts.st_mode) & 0o077 or facts.st_uid != os.geteuid():
            raise OperatorError(
                "others can read or write it",
                where=str(path),
                do="Make it yours alone (chmod 600), or enrol anew",
            )
        return file.read(_MAX_FILE_BYTES)
