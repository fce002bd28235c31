"""Lays the site of the tests out for a FreeSWITCH: `python -m tests.rig.freeswitch_layout FOLDER --esl-port 8021`.

Below FOLDER lie afterwards etc (a whole configuration with the product's dialplan/freeswitch in it) and the folders that
FreeSWITCH wants; it prints how to start FreeSWITCH there. Ports: the event socket's, the next for SIP, 300 for RTP from
its hundredth successor on; all on 127.0.0.1. It starts nothing.
"""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
from pathlib import Path

SITE = Path(__file__).parent / "freeswitch_site"
PRODUCT = Path(__file__).parents[2] / "dialplan/freeswitch"
FOLDERS = (
    "log", "db", "run", "storage", "temp", "cache", "sounds", "recordings", "grammar", "certs", "scripts", "htdocs",
)  # fmt: skip
"""FreeSWITCH's options of these names say where each is."""
RTP_PORTS = 300


def lay_out(folder: Path, esl_port: int, user: str) -> list[str]:
    """Writes it; returns the words of the command that starts FreeSWITCH in it. A password once made is kept."""
    folder = folder.resolve()
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(folder / name, user)
    shutil.rmtree(folder / "etc", ignore_errors=True)
    password = folder / "esl.password"
    if not password.exists():
        password.touch(0o600)
        password.write_text(secrets.token_hex(16))
    first_rtp = esl_port + 100
    values = {
        "SIP": esl_port + 1, "RTP_FIRST": first_rtp, "RTP_LAST": first_rtp + RTP_PORTS - 1, "SECRET": secrets.token_hex(8),
    }  # fmt: skip
    for source in sorted(SITE.rglob("*.xml")):
        text = re.sub(r"@([A-Z_]+)@", lambda found: str(values[found.group(1)]), source.read_text())
        _write(folder / "etc" / source.relative_to(SITE), text)
    _write(folder / "etc/pbxb/pbxb.xml", (PRODUCT / "pbxb.xml").read_text())
    socket = (PRODUCT / "event_socket.conf.xml").read_text().replace("CHANGE-ME", password.read_text())
    socket = socket.replace('"listen-port" value="8021"', f'"listen-port" value="{esl_port}"')
    _write(folder / "etc/autoload_configs/event_socket.conf.xml", socket)
    options = [word for name in FOLDERS for word in (f"-{name}", str(folder / name))]
    return ["freeswitch", "-nf", "-nc", "-nonat", "-conf", str(folder / "etc"), *options]


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def main() -> None:
    said = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    said.add_argument("folder", type=Path)
    said.add_argument("--esl-port", type=int, default=8021)
    said.add_argument("--user", default="freeswitch", help="the account FreeSWITCH runs as (freeswitch)")
    asked = said.parse_args()
    command = lay_out(asked.folder, asked.esl_port, asked.user)
    print(" ".join(command))
    print(f"export PBX_BRIDGE_FREESWITCH=127.0.0.1:{asked.esl_port}")
    print(f"export PBX_BRIDGE_FREESWITCH_SECRET_FILE={asked.folder.resolve() / 'esl.password'}")


if __name__ == "__main__":
    main()
