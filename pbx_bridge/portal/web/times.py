"""Times and lengths as a page writes them, in the server's zone."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache


@lru_cache(maxsize=8_192)
def when(unix: int, language: str) -> str:
    """A time in the server's zone."""
    form = "%d/%m/%Y %H:%M" if language == "fr" else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(unix).astimezone().strftime(form)


def zone() -> str:
    """What the times of a page are in: the server's zone of now, as UTC+01:00."""
    ahead = datetime.now().astimezone().strftime("%z")
    return f"UTC{ahead[:3]}:{ahead[3:5]}"


@lru_cache(maxsize=8_192)
def iso(unix: int) -> str:
    """For a program that reads the page."""
    return datetime.fromtimestamp(unix).astimezone().isoformat()


def day_of(day: date, language: str) -> str:
    return day.strftime("%d/%m/%Y" if language == "fr" else "%Y-%m-%d")


def minutes(milliseconds: int) -> str:
    """As 4:07."""
    whole = milliseconds // 1000
    return f"{whole // 60}:{whole % 60:02}"
