"""Pages as text: templates, both languages, and the headers every answer of the pages bears.

It knows how a page is written; never what may stand on it.
"""

from __future__ import annotations

import gettext
import gzip
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from pbx_bridge.portal.web.sentences import ACTORS, MENUS, ROLES
from pbx_bridge.portal.web.times import day_of, iso, minutes, when, zone
from pbx_bridge.wire_portal import Role

HERE: Final = Path(__file__).parent
LANGUAGES: Final = ("fr", "en")
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # "no-referrer" would hide the Origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), display-capture=(), geolocation=(), usb=(), payment=()",
    "Cache-Control": "no-store",
}
"""No Strict-Transport-Security: it would hold for every port of this host, the PBX's own pages too."""
WORKER: Final = "/static/worker.js"
"""May stand between the player's pages and the network, and no others."""
KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of `static/`."""

    url: str
    kind: str
    tag: str
    body: bytes
    packed: bytes


def assets() -> dict[str, Asset]:
    """All of them, by file name."""
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in KINDS:
            body = path.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            packed = gzip.compress(body, 9, mtime=0)
            found[path.name] = Asset(f"/static/{path.name}", KINDS[path.suffix], tag, body, packed)
    return found


class Pages:
    """The templates, once per language."""

    def __init__(self, assets: dict[str, Asset]) -> None:
        self._environments = {language: _environment(language, assets) for language in LANGUAGES}

    def page(
        self,
        name: str,
        language: str,
        values: dict[str, Any],
        *,
        status: int = 200,
        more: dict[str, str] | None = None,
    ) -> HTMLResponse:
        """The page as an answer."""
        text = self._environments[language].get_template(name).render(language=language, **values)
        return HTMLResponse(text, status, HEADERS | (more or {}))

    def say(self, language: str, message: str) -> str:
        """One message of the catalogue."""
        return translations(language).gettext(message)


@cache
def translations(language: str) -> gettext.NullTranslations:
    """English is the language of the messages themselves."""
    return gettext.translation("portal", HERE / "locale", [language], fallback=language == "en")


def _environment(language: str, assets: dict[str, Asset]) -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    made.globals["_"] = made.globals["gettext"] = said_in(language)
    made.globals["asset"] = lambda name: assets[name].url
    made.filters["when"] = lambda unix: when(unix, language)
    made.filters["day"] = lambda day: day_of(day, language)
    made.filters["iso"] = iso
    made.globals["zone"] = zone
    made.filters["stamp"] = lambda text: when(int(datetime.fromisoformat(text).timestamp()), language)
    made.filters["minutes"] = minutes
    made.filters["filed"] = lambda unix: datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d-%H%M")
    made.filters["moment"] = lambda at: when(int(at.timestamp()), language)
    made.filters["clock"] = lambda at: at.astimezone().strftime("%H:%M")
    made.filters["field"] = lambda at: at.astimezone().strftime("%Y-%m-%dT%H:%M")
    made.globals["menu"] = menu
    made.globals["ROLES"] = ROLES
    made.globals["ACTORS"] = ACTORS
    return made


def said_in(language: str) -> Callable[..., Markup]:
    """What a template's `_` calls: as Jinja's own, but without a context made for each of a list's thousand words."""
    catalogue, plain = translations(language), dict[str, Markup]()

    def say(message: str, **values: object) -> Markup:
        if values:
            return Markup(catalogue.gettext(message)) % values
        if message not in plain:
            plain[message] = Markup(catalogue.gettext(message)) % {}
        return plain[message]

    return say


def menu(roles: Iterable[Role]) -> list[tuple[str, str]]:
    """The pages these roles work with: address and message, each once."""
    held = set(roles)
    return list(dict.fromkeys(entry for role, pages in MENUS.items() if role in held for entry in pages))


def asset_answer(asset: Asset, known: str, accepts_gzip: bool) -> Response:
    """The same for everybody; a browser asks each time whether it changed. Nothing private is ever compressed."""
    headers = HEADERS | {"Cache-Control": "no-cache", "ETag": asset.tag, "Vary": "Accept-Encoding"}
    if asset.url == WORKER:
        headers["Service-Worker-Allowed"] = "/recordings/"
    if known == asset.tag:
        return Response(None, 304, headers)
    if accepts_gzip:
        return Response(asset.packed, 200, headers | {"Content-Encoding": "gzip"}, media_type=asset.kind)
    return Response(asset.body, 200, headers, media_type=asset.kind)


def language_of(chosen: str | None, accepted: str, default: str) -> str:
    """The reader's own choice, else their browser's first that there is, else the site's."""
    if chosen in LANGUAGES:
        return str(chosen)
    for asked in re.findall(r"(?:^|,)\s*([a-zA-Z]{2})", accepted[:200]):
        if asked.lower() in LANGUAGES:
            return str(asked.lower())
    return default if default in LANGUAGES else "en"
