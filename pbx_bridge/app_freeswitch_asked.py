"""What `pbx-bridge doctor` asks a running FreeSWITCH: does it take our password, and has it the modules we need.

Without mod_sndfile, say, callers hear no notice, so no call is recorded (P16), and nothing else would tell why.
"""

from __future__ import annotations

from typing import Final

from pbx_bridge.config import read_secret
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.freeswitch.esl_connection import (
    CommandRefused,
    Ears,
    LoginRefused,
    connect_asyncio,
)
from pbx_bridge.telephony.freeswitch.settings import EslSettings

NEEDED: Final = (
    "mod_commands",
    "mod_dialplan_xml",
    "mod_dptools",
    "mod_event_socket",
    "mod_sndfile",
    "mod_sofia",
)
"""dialplan/freeswitch/README.md, "Modules"."""
ANSWER_S: Final = 5.0


async def modules(section: Freeswitch) -> tuple[bool, str]:
    """Whether all is there, and what to do where it is not. Raises: nothing; who cannot be asked is told."""
    try:
        missing = await _missing(section)
    except (LoginRefused, OperatorError) as error:
        return False, str(error)
    except (CommandRefused, OSError, TimeoutError) as error:
        return False, f"FreeSWITCH at {section.esl} could not be asked: {error or 'no answer in time'}"
    if missing:
        names = " ".join(missing)
        return False, f"not loaded: {names}: add it to modules.conf.xml, and `fs_cli -x 'load NAME'`"
    return True, "the password is taken, and all that are needed are loaded"


async def _missing(section: Freeswitch) -> list[str]:
    settings = EslSettings(section.esl.port, read_secret(section.esl_secret_file), section.esl.host)
    deaf = Ears(lambda event, at_ns: None, lambda why, at_ns: None, lambda why: None)
    connection = await connect_asyncio(settings, deaf)
    try:
        return [
            name
            for name in NEEDED
            if (await connection.ask(f"api module_exists {name}", {}, ANSWER_S)).strip() != "true"
        ]
    finally:
        connection.end("asked")
