"""`pbx-bridge pause` and `resume`: announce a payment by hand (P7).

They go the way a site's payment software goes: over the portal, with a token made for this one request.
"""

from __future__ import annotations

import http.client
import secrets
import ssl
from collections.abc import Callable
from typing import Annotated, Final

import typer

from pbx_bridge import wire_portal as words
from pbx_bridge.app_places import tls_of, tokens_of
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.tokens import Purpose
from pbx_bridge.wire_json import Malformed, read_object
from pbx_bridge.wire_problem import read_problem

COMMAND: Final = "command-"
"""How the tokens of these two commands begin."""
ONE_REQUEST_S: Final = 60
"""How long the command's own token holds, should the command not come to take it back."""
ANSWER_S: Final = 10.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}

Trainee = Annotated[str, typer.Argument(help="The trainee's name in the catalogue.")]


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""

    @app.command()
    def pause(trainee: Trainee) -> None:
        """A payment begins in this trainee's call: nothing of it is recorded. Example: pbx-bridge pause alice"""
        _announce(config(), trainee, words.Moment.BEGIN)
        print(
            f"{trainee}: paused until pbx-bridge resume {trainee}, or {config().recording.payment_pause_s} s"
        )

    @app.command()
    def resume(trainee: Trainee) -> None:
        """Take back what `pause` announced. Example: pbx-bridge resume alice"""
        _announce(config(), trainee, words.Moment.END)
        print(f"{trainee}: no payment any more")


def _announce(config: Config, trainee: str, moment: words.Moment) -> None:
    """Raises: OperatorError when the bridge does not run or the trainee has no call."""
    made, name = tokens_of(config), f"{COMMAND}{secrets.token_hex(4)}"
    for left in made.all():  # of a command that was killed
        if left.name.startswith(COMMAND) and made.ends(left):
            made.remove(left.name)
    token = made.make(name, Purpose.PAYMENTS, lasts_s=ONE_REQUEST_S)
    try:
        status, body = _post(config, token, _asked(trainee, moment))
    except OSError as error:
        raise OperatorError(
            f"the portal does not answer: {error}", do="Is the bridge running? Start it: pbx-bridge serve"
        ) from None
    finally:
        made.remove(name)
    if status != 200:
        try:
            refused = read_problem(read_object(body))
        except Malformed:
            raise OperatorError(f"the portal answered {status}") from None
        raise OperatorError(refused.text, where=f"trainee {trainee[:64]!r}")


def _asked(trainee: str, moment: words.Moment) -> bytes:
    try:
        return words.write_body(words.PaymentAsked(trainee, moment))
    except Malformed:
        raise OperatorError("this can be nobody's name", where=f"trainee {trainee[:64]!r}") from None


def _post(config: Config, token: str, body: bytes) -> tuple[int, bytes]:
    trusted = ssl.create_default_context(cafile=str(tls_of(config).ca_cert))
    trusted.check_hostname = False  # the CA is this bridge's own and signs its one certificate
    listen = config.portal.listen
    link = http.client.HTTPSConnection(
        _EVERYWHERE.get(listen.host, listen.host), listen.port, timeout=ANSWER_S, context=trusted
    )
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        link.request("POST", words.PAYMENT_PATH, body, headers)
        answer = link.getresponse()
        return answer.status, answer.read(words.MAX_BODY_BYTES)
    finally:
        link.close()
