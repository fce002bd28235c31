"""P14: what a trainee is told before anything is recorded, rendered from what is configured, and its hash.

Any change of application, rate, dates or retention changes the text and so the hash; an acknowledgement names a hash,
so it stops counting by itself. Texts only; it knows no network and no clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from pbx_bridge.training.plans import Plan

Language = Literal["fr", "en"]

CALLER_NOTICES: dict[Language, str] = {
    "fr": "Cet appel peut être enregistré pour la formation de nos conseillers. Pour vous y opposer, appuyez sur 9, "
    "ou sur étoile 9 pendant l'appel.",
    "en": "This call may be recorded to train our staff. To object, press 9, or star 9 during the call.",
}
"""P16: what the caller hears by default; the key is the dialplan's."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for everybody: shown in every notice."""

    retention_days: int
    trainee_first_hours: int
    fps: int


_NEEDS = {
    "fr": {
        "new-in-post": "prise de poste",
        "new-application": "nouvelle application",
        "back-after-absence": "retour après une longue absence",
    },
    "en": {
        "new-in-post": "new in post",
        "new-application": "new application",
        "back-after-absence": "back after a long absence",
    },
}

_TEXT = {
    "fr": """Enregistrement de formation

Plan : {plan}. Motif : {need}. Du {first} au {last}.
Ce qui est enregistré : les deux voix de l'appel et une vidéo de la fenêtre de : {applications}.
Jamais le reste de l'écran, jamais avant la réponse ni après le raccroché, jamais d'image fixe.
Tirage : {rate:.0%} des appels au plus {count} par semaine ({minutes} min), et les créneaux réservés par le formateur.
Images par seconde : {fps}. Un témoin rouge est affiché pendant l'enregistrement.
Qui peut le voir : vous seul pendant {first_hours} h ; ensuite votre formateur ({trainer}), pour une séance avec vous.
But : la formation seulement ; ni évaluation, ni discipline, ni écoute en direct.
Conservation : {retention} jours, puis destruction.
Vos droits : accès, effacement, opposition, limitation. Un appel privé n'est pas enregistré si vous le dites.
""",
    "en": """Training recording

Plan: {plan}. Reason: {need}. From {first} to {last}.
What is recorded: both voices of the call and a video of the window of: {applications}.
Never the rest of the screen, never before the answer or after the hang-up, never a still image.
Draw: {rate:.0%} of the calls, at most {count} a week ({minutes} min), and the slots your trainer booked.
Pictures per second: {fps}. A red sign is shown while recording.
Who can watch: you alone for {first_hours} h; then your trainer ({trainer}), for a session with you.
Purpose: training only; no appraisal, no discipline, no live listening.
Kept: {retention} days, then destroyed.
Your rights: access, erasure, objection, restriction. A private call is not recorded when you say so.
""",
}


def render(plan: Plan, terms: Terms, language: Language) -> str:
    """The notice of one plan, in plain text."""
    applications = "; ".join(
        f"{a.name} ({a.main_program or a.executable}, {a.wm_class}"
        + (f", /{a.title}/" if a.title else "")
        + ")"
        for a in plan.applications
    )
    return _TEXT[language].format(
        plan=plan.id,
        need=_NEEDS[language][plan.need.value],
        first=plan.first_day.isoformat(),
        last=plan.last_day.isoformat(),
        applications=applications,
        rate=plan.rate,
        count=plan.recordings_per_week,
        minutes=plan.minutes_per_week,
        fps=terms.fps,
        first_hours=terms.trainee_first_hours,
        trainer=plan.trainer,
        retention=terms.retention_days,
    )


def text_hash(text: str) -> str:
    """SHA-256 of the text, hexadecimal: what an acknowledgement names."""
    return hashlib.sha256(text.encode()).hexdigest()
