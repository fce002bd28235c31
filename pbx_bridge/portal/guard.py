"""What stands before every operation of the API: rate, method, query, token's form, body; and how each no is written.

Every refusal and every fault becomes one problem (RFC 9457) that says what, where and what to do, and repeats nothing that
was sent. It decides nothing about recordings.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any, Final, TypeAlias

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.listening import network
from pbx_bridge.portal.bodies import STATUS, TooLarge, read_bytes
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.operations import Needs, Operation
from pbx_bridge.portal.tokens import Held, Scope, Tokens
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import KeeperUnreachable, Refused
from pbx_bridge.wire_problem import PROBLEM_TYPE, write_problem

log = structlog.get_logger()

JSON: Final = "application/json"
FORM: Final = f"see {words.OPENAPI_PATH} for what is taken here"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that got past the guard."""

    request: Request
    token: bytes
    """b"" where none is needed."""
    body: Any
    """Of the operation's own class."""
    held: Held | None = None
    """The program's token, where one is needed."""


class Unfit(Exception):
    """A request that cannot be meant; `where` it is so."""

    def __init__(self, word: str, where: str, text: str) -> None:
        super().__init__(word, where, text)
        self.word, self.where, self.text = word, where, text


Handler: TypeAlias = Callable[[Ask], Awaitable[Any]]
"""The answer, of the operation's class, or a Response of its own. Raises: words.Refused, Unfit, KeeperUnreachable."""


class TooOften(Exception):
    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.seconds = int(wait_s) + 1


class Programs:
    """Lets programs in by their tokens, each so often; who tries others is slowed by address."""

    def __init__(self, tokens: Tokens, monotonic_s: Callable[[], float]) -> None:
        self._tokens, self._now_s = tokens, monotonic_s
        self._uses = RateLimit(burst=120, per_s=20)
        """Payments of the largest site there may be: some five begin or end in a second."""
        self._wrong = RateLimit(burst=20, per_s=0.5)

    def held(self, request: Request, secret: bytes, scopes: tuple[Scope, ...]) -> Held:
        """P18, P22: the token, if it holds and has one of the scopes. Raises: Refused, TooOften."""
        held = self._tokens.holder(secret)
        asker = f"token {held.name}" if held is not None else address(request)
        if wait_s := (self._wrong if held is None else self._uses).wait_s(asker, self._now_s()):
            raise TooOften(wait_s)
        if held is None:
            raise Refused("token", "this token is unknown here, or has ended: pbx-bridge token add")
        if not set(scopes) & set(held.token.scopes):
            raise Refused("scope", "this token was made for something else: pbx-bridge token list")
        return held


def kind_of(error: BaseException) -> dict[str, str]:
    """What the log says of a fault: its kind, and where. Its words may be somebody's."""
    at = [f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return {"fault": type(error).__name__, "at": " ".join(at[-6:])}


def address(request: Request) -> str:
    """What counts as one asker."""
    return network(request.client.host if request.client else "")


def route(
    operation: Operation,
    handler: Handler,
    limit: RateLimit,
    programs: Programs,
    monotonic_s: Callable[[], float],
) -> Route:
    """The operation, guarded."""

    async def guarded(request: Request) -> Response:
        try:
            if wait_s := limit.wait_s(address(request), monotonic_s()):
                raise TooOften(wait_s)
            answer = await handler(await _asked(request, operation, programs))
            return answer if isinstance(answer, Response) else answered(answer)
        except Refused as refused:
            return problem(refused)
        except TooOften as often:
            no = Refused("too-often", f"too many requests: try again in {often.seconds} s")
            return problem(no, more={"Retry-After": str(often.seconds)})
        except Unfit as unfit:
            # what was not read of it must not be taken for the next request
            return problem(Refused(unfit.word, unfit.text), unfit.where, {"Connection": "close"})
        except KeeperUnreachable as error:
            log.error("portal: keeper unreachable", fault=str(error))
            return problem(
                Refused("keeper", "the keeper does not answer: try again, or tell the administrator")
            )
        except Exception as error:
            log.error("portal: an operation failed", operation=operation.name, **kind_of(error))
            return problem(Refused("fault", "a fault of the bridge: tell the administrator"))

    return Route(operation.path, guarded, methods=[operation.method])


async def _asked(request: Request, operation: Operation, programs: Programs) -> Ask:
    """Raises: Refused, Unfit, TooOften."""
    if request.scope["query_string"]:
        raise Unfit("malformed", "query", f"no query is taken here: {FORM}")
    if operation.needs is Needs.NOTHING:
        return Ask(request, b"", await _body(request, operation))
    token = bearer(request)
    held = programs.held(request, token, operation.scopes) if operation.needs is Needs.TOKEN else None
    return Ask(request, token, await _body(request, operation), held)


def bearer(request: Request) -> bytes:
    """The token that came. Raises: Refused."""
    sent = request.headers.getlist("authorization")
    found = re.fullmatch("bearer ([0-9a-f]{64})", sent[0], re.IGNORECASE) if len(sent) == 1 else None
    if found is None or found[1] != found[1].lower():
        raise Refused("visit-ended", "say who you are first: one header `Authorization: Bearer TOKEN`")
    return bytes.fromhex(found[1])


async def _body(request: Request, operation: Operation) -> Any:
    """The body as what the operation takes. Raises: Unfit."""
    try:
        content = await read_bytes(request)
    except TooLarge as error:
        raise Unfit("too-large", "body", f"{error}: {FORM}") from None
    except Malformed as error:
        raise Unfit("malformed", "body", f"{error}: send it again") from None
    if operation.asked is None:
        if content:
            raise Unfit("malformed", "body", f"no body is taken here: {FORM}")
        return None
    kind, _, parameter = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON or parameter.strip().lower() not in ("", "charset=utf-8"):
        raise Unfit("media-type", "Content-Type", f"{JSON} in UTF-8 is needed: {FORM}")
    if "content-encoding" in request.headers:
        raise Unfit("media-type", "Content-Encoding", "a body is sent as it is, not compressed")
    try:
        return words.read_body(operation.asked, content)
    except Malformed as error:
        raise Unfit("malformed", "body", f"{error}: {FORM}") from None


def answered(answer: Any) -> Response:
    """An answer, checked as it is written."""
    return Response(words.write_body(answer), media_type=JSON, headers={"Cache-Control": "no-store"})


def problem(refused: Refused, where: str = "", more: dict[str, str] | None = None) -> Response:
    """The refusal as a problem."""
    status = STATUS.get(refused.word, 403)
    headers = {"Cache-Control": "no-store"} | (more or {})
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(write_problem(refused, status, where), status, headers, media_type=PROBLEM_TYPE)


def missing() -> Response:
    """No operation has this path."""
    return problem(Refused("not-found", f"there is no such operation: {FORM}"), "path")


def not_allowed(methods: str) -> Response:
    """This path has other methods."""
    text = f"this path takes {methods} only: {FORM}"
    return problem(Refused("method", text), "method", {"Allow": methods})
