"""How the bridge reaches one Asterisk: addresses and secrets, checked where they are made. It opens nothing."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pbx_bridge.errors import OperatorError


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """The manager interface: manager.conf, dialplan/asterisk/manager_pbxb.conf."""

    port: int = 5038
    user: str = "pbxb"
    secret: str = field(default="", repr=False)
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        _only_loopback(self.host, "asterisk.ami.host")
        _one_line(self.user, "asterisk.ami.user")
        _one_line(self.secret, "asterisk.ami.secret")


@dataclass(frozen=True, slots=True)
class AriSettings:
    """The REST interface: http.conf and dialplan/asterisk/ari_pbxb.conf."""

    url: str = "http://127.0.0.1:8088"
    """Scheme, host, port and http.conf's `prefix` if it has one; without `/ari`."""
    user: str = "pbxb"
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        where = "asterisk.ari"
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise OperatorError(
                f"{self.url!r} is no address of an ARI", where=where, do="Use http://127.0.0.1:8088"
            )
        _only_loopback(parts.hostname, where)
        _one_line(self.user, where)
        _one_line(self.password, where)

    @property
    def base(self) -> str:
        return self.url.rstrip("/") + "/ari"


def _only_loopback(host: str, where: str) -> None:
    """AMI's class call may redirect calls, an ARI user may do everything, both in clear text: never over a network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise OperatorError(f"{host!r} is not an IP address", where=where, do="Use 127.0.0.1") from None
    if not address.is_loopback:
        raise OperatorError(
            f"{host} is not the loopback: AMI and ARI travel in clear text and can do everything",
            where=where,
            do="Run the bridge on the PBX itself, or end a tunnel on 127.0.0.1",
        )


def _one_line(value: str, where: str) -> None:
    if any(ord(letter) < 32 or letter == "\x7f" for letter in value):
        raise OperatorError(
            "a control character in the value", where=where, do="Write it without line breaks"
        )
