"""What the bridge and the commands both open, each by the configuration: the CA, the lists, the catalogue, the keys.

Light to import: a command that asks one of these starts no adapter of a call.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
from pathlib import Path

from pbx_bridge.archive.manifest import RecorderKey
from pbx_bridge.archive.rules import Keeping
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.config import Config
from pbx_bridge.durable import write_once
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.given import Given
from pbx_bridge.portal.tokens import Tokens
from pbx_bridge.stations.ca import TlsPaths, ensure_ca
from pbx_bridge.stations.registry import Registry
from pbx_bridge.telephony.number_lists import NumberLists
from pbx_bridge.wire_portal import PROGRAMS_NAME


def tls_of(config: Config) -> TlsPaths:
    """The bridge's own CA and server certificate, made at the first start."""
    return ensure_ca(config.bridge.state_dir / "tls", (*config.stations.names, PROGRAMS_NAME))


def given_of(config: Config) -> Given | None:
    """The certificate this site gives browsers, if it gives one."""
    cert, key = config.portal.certificate, config.portal.key
    return Given(cert, key) if cert is not None and key is not None else None


def registry_of(config: Config, tls: TlsPaths) -> Registry:
    return Registry(config.bridge.state_dir / "registry", tls.ca_sha256())


def catalogue_of(config: Config, *, dry_run: bool = False) -> Catalogue:
    """Persons, applications and plans. Made by root it belongs to the bridge's user, who must write into it too."""
    owner = None
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # no such user yet: `serve` gives it away at its start
            user = pwd.getpwnam(config.bridge.user)
            owner = user.pw_uid, user.pw_gid
    return Catalogue.open(config.catalogue, owner=owner, dry_run=dry_run)


def tokens_of(config: Config) -> Tokens:
    """What the site's programs may ask by."""
    return Tokens(config.bridge.state_dir / "tokens")


def keeper_socket(config: Config) -> Path:
    return config.bridge.run_dir / "keeper" / "keeper.sock"


def number_lists_of(config: Config) -> NumberLists:
    """P12, P16: with whom no call is recorded."""
    return NumberLists(config.bridge.state_dir / "numbers")


def keeping_of(config: Config) -> Keeping:
    return Keeping(config.recording.retention_days, config.recording.trainee_first_hours)


def recorder_key(folder: Path, random_seed: bytes) -> RecorderKey:
    """The recorder's signing key, made at the first start. Raises: OperatorError when it is not 32 bytes."""
    path = folder / "recorder.seed"
    with contextlib.suppress(FileExistsError):
        write_once(path, random_seed)
    seed = path.read_bytes()
    if len(seed) != 32:
        raise OperatorError("the recorder's key is damaged", where=str(path), do="Restore it from the backup")
    return RecorderKey(seed)


def call_key(folder: Path) -> bytes:
    """With which the ledger names calls; made at the first start."""
    path = folder / "call.key"
    with contextlib.suppress(FileExistsError):
        write_once(path, secrets.token_bytes(32))
    return path.read_bytes()
