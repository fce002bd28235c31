"""P23: the record of processing, the impact assessment's inputs and the monthly figures, as one value.

Pure: facts and counts in, a Report out; page.py makes HTML of it, `as_json` what a script reads. It never sees a person:
facts.py and figures.py let none through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any, Final

from pbx_bridge.archive.rules import KEEP_AFTER_REVIEW_DAYS, KEEP_CEILING_DAYS, REVIEW_WITHIN_DAYS
from pbx_bridge.rights.facts import Facts, Filmed
from pbx_bridge.rights.figures import FEWEST_PERSONS, Month, Shown, shown
from pbx_bridge.rights.words import ASSESSMENT, PHRASES, RECORD, TITLES, Labels, Language
from pbx_bridge.training.rules import MINUTES_CEILING, RATE_CEILING, RECORDINGS_CEILING

ASSESSMENT_HOLDS: Final = timedelta(days=3 * 365)
"""The CNIL's advice for reviewing an impact assessment."""


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """`record`, `assessment`: rows in the order of the page; `missing`: what the controller has still to say."""

    language: Language
    made_on: str
    record: tuple[Row, ...]
    assessment: tuple[Row, ...]
    figures: tuple[Shown, ...]
    missing: tuple[str, ...]
    capacity_minutes: int = 0
    """What the trainers of the plans of today declared to be able to review a week, together (P15)."""


def report(facts: Facts, months: Mapping[str, Month], language: Language, *, ledger_days: int) -> Report:
    """P23: the whole report. `months` as figures_file gives them."""
    values = _values(facts, language) | {"ledger_days": str(ledger_days)}
    return Report(
        language,
        facts.made_on.isoformat(),
        _rows(RECORD[language], values),
        _rows(ASSESSMENT[language], values),
        tuple(shown(name, month, facts.made_on.isoformat()[:7]) for name, month in sorted(months.items())),
        _missing(facts, language),
        facts.volume.capacity_minutes,
    )


def as_json(made: Report) -> dict[str, Any]:
    """The same, for a script: keys do not depend on the language."""
    return {
        "language": made.language,
        "made_on": made.made_on,
        "record_of_processing": {row.key: row.text for row in made.record},
        "impact_assessment": {row.key: row.text for row in made.assessment},
        "figures": [
            asdict(month) | {"hidden": month.hidden.value if month.hidden else None} for month in made.figures
        ],
        "fewest_persons": FEWEST_PERSONS,
        "missing": list(made.missing),
    }


def _rows(labels: Labels, values: Mapping[str, str]) -> tuple[Row, ...]:
    return tuple(Row(key, label, text.format_map(values)) for key, (label, text) in labels.items())


def _values(facts: Facts, language: Language) -> dict[str, str]:
    phrases, settings, volume = PHRASES[language], facts.settings, facts.volume
    unknown = TITLES[language]["unknown"]
    values = {one.name: str(getattr(volume, one.name)) for one in fields(volume)}
    values |= {one.name: str(getattr(settings, one.name) or unknown) for one in fields(settings)}
    demonstration = settings.demonstration and not settings.impact_assessment
    allowed = settings.foreign_recorders_allowed
    return values | {
        "impact_assessment": phrases["demonstration"] if demonstration else values["impact_assessment"],
        "workstations": str(settings.workstations),
        "notice_languages": ", ".join(settings.notice_languages) or unknown,
        "applications": ", ".join(dict.fromkeys(one.name for one in facts.filmed)) or unknown,
        "filmed": "; ".join(_filmed(one, phrases) for one in facts.filmed) or unknown,
        "needs": ", ".join(f"{phrases[need]} ({count})" for need, count in volume.needs.items()) or unknown,
        "highest_rate": f"{volume.highest_rate:.0%}",
        "rate_ceiling": f"{RATE_CEILING:.0%}",
        "recordings_ceiling": str(RECORDINGS_CEILING),
        "minutes_ceiling": str(MINUTES_CEILING),
        "ceiling_days": str(KEEP_CEILING_DAYS),
        "reviewed_days": str(KEEP_AFTER_REVIEW_DAYS),
        "unreviewed_days": str(REVIEW_WITHIN_DAYS),
        "foreign_recorders": phrases["allowed" if allowed else "refused"],
    }


def _filmed(one: Filmed, phrases: Mapping[str, str]) -> str:
    more = [phrases["narrowed"]] * one.narrowed + [phrases["pinned"]] * one.pinned
    if one.masks:
        more.append(phrases["masks"].format(count=one.masks))
    if one.pause_titles:
        more.append(phrases["pauses"].format(count=one.pause_titles))
    return f"{one.name} ({', '.join([one.program, one.window_class, *more])})"


def _missing(facts: Facts, language: Language) -> tuple[str, ...]:
    phrases, settings = PHRASES[language], facts.settings
    found = []
    if not settings.controller:
        found.append(phrases["no-controller"])
    elif not settings.data_protection_officer:
        found.append(phrases["no-officer"])
    if not settings.impact_assessment and not settings.demonstration:
        found.append(phrases["no-compliance"])
    dated = settings.compliance_dated
    if dated is not None and facts.made_on - dated > ASSESSMENT_HOLDS:
        found.append(phrases["old-compliance"])
    return tuple(found)
