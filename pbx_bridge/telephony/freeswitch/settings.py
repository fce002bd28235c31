"""How the bridge reaches one FreeSWITCH: address and password, checked where they are made. It opens nothing."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from pbx_bridge.errors import OperatorError


@dataclass(frozen=True, slots=True)
class EslSettings:
    """The event socket: autoload_configs/event_socket.conf.xml."""

    port: int = 8021
    password: str = field(default="", repr=False)
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        _only_loopback(self.host)
        if any(ord(letter) < 32 or letter == "\x7f" for letter in self.password):
            raise OperatorError(
                "a control character in the password",
                where="freeswitch.esl_secret_file",
                do="Write it without line breaks",
            )

    @property
    def where(self) -> str:
        """For a person: address and port."""
        return f"{self.host}:{self.port}"


def _only_loopback(host: str) -> None:
    """The event socket is clear text and may do everything, up to a shell: never over a network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise OperatorError(
            f"{host!r} is not an IP address", where="freeswitch.esl", do="Use 127.0.0.1"
        ) from None
    if not address.is_loopback:
        raise OperatorError(
            f"{host} is not the loopback: the event socket is clear text and can do everything",
            where="freeswitch.esl",
            do="Run the bridge on the PBX itself, or end a tunnel on 127.0.0.1",
        )
