"""What every section of the configuration is made of: strict sections, addresses, the loopback. It opens nothing."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Frozen; a key nobody knows is refused, so that a slip of the pen is no silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(Section):
    """host:port."""

    host: str
    port: int = Field(ge=0, le=65535)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            host, colon, port = value.rpartition(":")
            if not colon or not (port.isascii() and port.isdigit()):
                raise ValueError('write it as "host:port"')
            return {"host": host.strip("[]"), "port": int(port)}
        return value

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def on_loopback(address: Address) -> Address:
    """Voices, the notice and the PBX's control travel in clear: never over a network (P17). Raises: ValueError."""
    if not is_loopback(address.host):
        raise ValueError(f"{address.host} is not the loopback: use 127.0.0.1")
    return address
