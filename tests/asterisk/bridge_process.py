"""The telephony side as a process of its own, so that a test can stop, hang or kill it: `python -m
tests.asterisk.bridge_process`.

Arguments: AMI port, secret. Prints its AGI address when the heartbeat beats. `hang` on its input blocks its event loop
for ever.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time

from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.settings import AmiSettings
from pbx_bridge.telephony.heartbeat import Heartbeat
from pbx_bridge.telephony.watchdog import Watchdog
from tests.asterisk.line import text_hash


async def _main(port: int, secret: str) -> None:
    token = secrets.token_hex(16)
    link = AmiLink(AmiSettings(port=port, secret=secret), lambda _: None)
    notice = NoticeServer([SpokenNotice("en", "pbxb/notice-en", text_hash("en"))], token)
    watchdog = Watchdog()
    await notice.start()
    await watchdog.start()
    await link.start()
    heartbeat = Heartbeat(
        link, watchdog, "PBXB_ALIVE", {"PBXB_AGI": notice.address}, ActionRefused, token=token
    )
    await heartbeat.start()
    await heartbeat.until_beating()
    print(notice.address, flush=True)
    order = await asyncio.to_thread(sys.stdin.readline)
    if order.strip() == "hang":
        time.sleep(600)  # noqa: ASYNC251 - a hung event loop is what the test wants
    await heartbeat.close()
    await watchdog.close()
    await link.close()
    await notice.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
