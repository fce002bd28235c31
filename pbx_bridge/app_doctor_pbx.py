"""What `pbx-bridge doctor` asks of the PBX that is configured: its doors, its secrets, the keys of a call."""

from __future__ import annotations

from importlib.util import find_spec
from typing import assert_never
from urllib.parse import urlsplit

from pbx_bridge.app_features import keys_of
from pbx_bridge.app_finding import Finding, answers, secret
from pbx_bridge.app_freeswitch_asked import modules
from pbx_bridge.app_freeswitch_files import digits_in_log, event_socket, holds_told
from pbx_bridge.app_freeswitch_keys import dialplan, keys
from pbx_bridge.app_pipes import group_of
from pbx_bridge.config_pbx import Asterisk, Freeswitch
from pbx_bridge.config_section import Address
from pbx_bridge.errors import OperatorError


async def examine_pbx(section: Asterisk | Freeswitch) -> list[Finding]:
    """Every finding, good ones too."""
    match section:
        case Asterisk():
            return await _asterisk(section)
        case Freeswitch():
            return await _freeswitch(section)
        case _ as never:
            assert_never(never)


async def _asterisk(section: Asterisk) -> list[Finding]:
    ari = urlsplit(section.ari)
    return [
        secret("ami secret", section.ami_secret_file),
        secret("ari secret", section.ari_secret_file),
        await answers("Asterisk AMI", section.ami, b"Asterisk Call Manager"),
        await answers("Asterisk ARI", Address(host=ari.hostname or "", port=ari.port or 80), b""),
        Finding("keys in a call", *keys_of(section)),
    ]


async def _freeswitch(section: Freeswitch) -> list[Finding]:
    return [
        secret("esl secret", section.esl_secret_file),
        await answers("FreeSWITCH event socket", section.esl, b"Content-Type: auth/request"),
        Finding("FreeSWITCH's modules", *await modules(section)),
        Finding("event socket's file", *event_socket(section.config_dir)),
        Finding("keys in FreeSWITCH's log", *digits_in_log(section.config_dir)),
        Finding("holds", *holds_told(section.config_dir)),
        Finding("our dialplan", *dialplan(section)),
        Finding("keys in a call", *keys(section)),
        _driver(section),
        _pipes(section),
    ]


def _driver(section: Freeswitch) -> Finding:
    if section.driver == "python-esl" and find_spec("ESL") is None:
        says = (
            'python-ESL is not installed: pip install pbx-bridge[python-esl] (README), or driver = "asyncio"'
        )
        return Finding("event socket's driver", False, says)
    return Finding("event socket's driver", True, section.driver)


def _pipes(section: Freeswitch) -> Finding:
    try:
        group_of(section)
    except OperatorError as error:
        return Finding("voices", False, str(error))
    return Finding("voices", True, f"by pipes in {section.pipe_dir}, for the group {section.group}")
