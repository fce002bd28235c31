"""The section of the configuration that names the PBX: `[asterisk]` or `[freeswitch]`, checked. It opens nothing.

What both have (keys people press, what becomes of a foreign recorder) has one home here, so that rules and notices ask
without knowing which PBX it is.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pbx_bridge.config_section import Address, Section, is_loopback, on_loopback

CALL_CODE = r"^[*#][0-9*#]{1,4}$"
"""Keys people press during a call begin with * or #: digits alone are pressed for other reasons (a card's number)."""
ACCOUNT = r"^[a-z_][a-z0-9_-]{0,31}$"
"""As useradd(8) takes it."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
"""What FreeSWITCH's commands take as it stands, whatever reads it on the way."""


class Pbx(Section):
    """What the bridge is told of any PBX."""

    foreign_recorders: Literal["refuse", "allow"] = "refuse"
    config_dir: Path
    """The PBX's own configuration, where `doctor` looks."""
    notice_key: str = Field(default="9", pattern=r"^[0-9]$")
    """Objects, while the announcement is spoken (P16)."""
    objection_code: str = Field(default="*9", pattern=CALL_CODE)
    """Objects, during the call; the same as in the PBX's included file (P16)."""
    private_code: str = Field(default="*6", pattern=CALL_CODE)
    """The trainee's: a private call."""

    @property
    def codes(self) -> dict[str, str]:
        """What is pressed during a call, by its key in the configuration."""
        return {"objection_code": self.objection_code, "private_code": self.private_code}

    @model_validator(mode="after")
    def _codes_apart(self) -> Self:
        """P16: a PBX acts on the first code that fits."""
        for (name, code), (other, another) in combinations(self.codes.items(), 2):
            if code.startswith(another) or another.startswith(code):
                raise ValueError(f"{name} and {other} begin alike: choose two that do not")
        return self


class Asterisk(Pbx):
    """All of it is clear text: the loopback, or a tunnel that ends there."""

    ami: Address = Address(host="127.0.0.1", port=5038)
    ami_user: str = "pbxb"
    ami_secret_file: Path
    ari: str = "http://127.0.0.1:8088"
    ari_user: str = "pbxb"
    ari_secret_file: Path
    fastagi_listen: Address = Address(host="127.0.0.1", port=4573)
    audiosocket_listen: Address = Address(host="127.0.0.1", port=9092)
    config_dir: Path = Path("/etc/asterisk")

    _loopback = field_validator("ami", "fastagi_listen", "audiosocket_listen")(on_loopback)

    @field_validator("ari")
    @classmethod
    def _loopback_url(cls, url: str) -> str:
        if not is_loopback(urlsplit(url).hostname or ""):
            raise ValueError("it is not on the loopback: use http://127.0.0.1:8088")
        return url


class Freeswitch(Pbx):
    """The event socket is clear text and can do everything: the loopback, or a tunnel that ends there."""

    esl: Address = Address(host="127.0.0.1", port=8021)
    esl_secret_file: Path
    driver: Literal["asyncio", "python-esl"] = "asyncio"
    """Who speaks the event socket: our own codec, or FreeSWITCH's C client (`pip install pbx-bridge[python-esl]`)."""
    pipe_dir: Path = Path("/run/pbx-bridge/pipes")
    """Where FreeSWITCH writes both voices into named pipes: nothing lies on a disk (P17)."""
    group: str = Field(default="freeswitch", pattern=ACCOUNT)
    """FreeSWITCH's own group: it and the bridge alone may enter `pipe_dir`."""
    pause_code: str = Field(default="*7", pattern=CALL_CODE)
    """The trainee's: a payment or another secret begins (P7). The dialplan is told all four, nothing is written there."""
    resume_code: str = Field(default="*8", pattern=CALL_CODE)
    """It is over."""
    config_dir: Path = Path("/etc/freeswitch")

    _loopback = field_validator("esl")(on_loopback)

    @property
    def codes(self) -> dict[str, str]:
        return {**super().codes, "pause_code": self.pause_code, "resume_code": self.resume_code}

    @field_validator("pipe_dir")
    @classmethod
    def _one_word(cls, path: Path) -> Path:
        """P17: FreeSWITCH is given the path as one word of a command, and has a working folder of its own.

        What stood before a blank would be a file, with both voices in clear.
        """
        if not path.is_absolute():
            raise ValueError("write the whole path, from /")
        if not PLAIN_PATH.fullmatch(str(path)):
            raise ValueError(
                "FreeSWITCH cannot be told this path: use letters without accents, digits and . _ -"
            )
        return path
