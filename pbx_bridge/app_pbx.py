"""Which PBX this bridge serves: the one that is configured, behind the seam of telephony/pbx.py."""

from __future__ import annotations

from typing import assert_never

from pbx_bridge.app_asterisk import AsteriskPbx
from pbx_bridge.app_freeswitch import FreeswitchPbx
from pbx_bridge.config import Config
from pbx_bridge.config_pbx import Asterisk, Freeswitch
from pbx_bridge.telephony.pbx import Pbx


def pbx_of(config: Config) -> Pbx:
    """Called while still root: it reads the PBX's secrets. Raises: OperatorError when they cannot be used."""
    match config.pbx:
        case Asterisk() as section:
            return AsteriskPbx(config, section)
        case Freeswitch() as section:
            return FreeswitchPbx(config, section)
        case _ as never:
            assert_never(never)
