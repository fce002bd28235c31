"""The sentences of the notices, in French and English. `{names}` are filled by notices.py; no person stands here.

One sentence says one thing, so that a change in the configuration changes the sentence that is about it. Sources: GDPR
art. 12 and 13, the CNIL's sheet on recording calls at work, RULES P11 to P16, P18, P20, P21, P23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["fr", "en"]

NEEDS: Final[Mapping[Language, Mapping[str, str]]] = {
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

UNNAMED: Final[Mapping[Language, str]] = {"fr": "non renseigné", "en": "not given"}

APPLICATION: Final[Mapping[Language, str]] = {
    "fr": "  - {name} (fenêtre {wm_class}{title}{masks}{pauses})",
    "en": "  - {name} (window {wm_class}{title}{masks}{pauses})",
}
TITLED: Final[Mapping[Language, str]] = {
    "fr": ", certains titres seulement",
    "en": ", some titles only",
}
MASKED: Final[Mapping[Language, str]] = {
    "fr": ", parties toujours masquées : {count}",
    "en": ", parts always hidden: {count}",
}
PAUSED: Final[Mapping[Language, str]] = {
    "fr": ", titres qui suspendent : {count}",
    "en": ", titles that pause: {count}",
}

PERSON: Final[Mapping[Language, str]] = {
    "fr": "{trainee} (session {login} ; téléphones {devices} ; nom dans la file d'attente : {member})",
    "en": "{trainee} (login {login}; telephones {devices}; name in the queue: {member})",
}

TRAINEE: Final[Mapping[Language, str]] = {
    "fr": """Enregistrement de formation : ce que vous devez savoir (RGPD art. 13)

Responsable : {controller}. Pour toute question et pour vos droits : {contact}.
Délégué à la protection des données : {officer}.
Pour : {person}.
Si ce n'est pas vous, n'acceptez pas ce texte, dites-le au responsable.
Plan : {plan}. Motif : {need}. Du {first} au {last} inclus ; il prend fin de lui-même.
But : votre formation, rien d'autre ; ni évaluation, ni discipline, ni écoute en direct.
Base légale : intérêt légitime à former (RGPD art. 6, 1, f).

Ce qui est enregistré : les deux voix de l'appel, et une vidéo de la fenêtre de :
{applications}
Jamais le reste de l'écran, rien avant la réponse ni après le raccroché, ni image fixe, ni frappe, ni caméra.
En attente, en consultation, pendant un paiement : rien n'est gardé.
Au plus {fps} images par seconde. Un témoin rouge est affiché pendant l'enregistrement ; sans lui, il s'arrête.

Quels appels : {rate} des appels, tirés au sort avant la réponse, et ceux des créneaux réservés par votre formateur ;
en tout {count} enregistrements et {minutes} minutes par semaine au plus.
Appel privé : dites-le par le bouton ou en composant {private_code} ; rien n'en est gardé,
et votre formateur n'en voit pas la raison.

Qui y a accès : vous seul pendant {first_hours} h, vous pouvez alors écouter, effacer ou transmettre ; ensuite
votre formateur ({trainer}), pour une séance avec vous qu'il déclare. Personne d'autre.
Vous lisez et pouvez effacer ses remarques.
{approver} a approuvé ce plan et n'ouvre rien ; l'auditeur lit la liste des accès, pas les enregistrements.
Vous voyez qui a ouvert les vôtres.
Conservation : {retention} jours au plus ; {reviewed} jours après la séance ; {unreviewed} jours si aucune séance n'a lieu ;
puis la clé et le fichier sont détruits. La réponse donnée à chaque appel est gardée 30 jours, les accès
12 mois, vos plans 24.

Vos droits : accès et copie, effacement, opposition, limitation ; réponse sous un mois. Contact : {contact}.
Réclamation : CNIL, www.cnil.fr.
""",
    "en": """Training recording: what you have to know (GDPR art. 13)

Controller: {controller}. For any question and for your rights: {contact}.
Data protection officer: {officer}.
For: {person}.
If this is not you, do not accept this text and tell the controller.
Plan: {plan}. Reason: {need}. From {first} to {last} included; it ends by itself.
Purpose: your training and nothing else; no appraisal, no discipline, no live listening.
Legal basis: legitimate interest in training (GDPR art. 6(1)(f)).

What is recorded: both voices of the call, and a video of the window of:
{applications}
Never the rest of the screen, never before the answer or after the hang-up, never a still image, no key, no camera.
On hold, in a consultation and during a payment nothing is recorded.
Pictures per second: {fps} at most. A red sign is shown while recording; without it, it stops.

Which calls: {rate} of the calls, drawn before the answer, and those in the slots your trainer booked;
in all {count} recordings and {minutes} minutes a week at most.
Private call: say so with the button or by dialling {private_code}; nothing of it is kept,
and your trainer does not see the reason.

Who has access: you alone for {first_hours} h, when you may watch, erase or hand over; then your trainer
({trainer}), for a session with you that they state. Nobody else.
They may write short notes on it, which you read and may erase, and which end with the recording.
{approver} approved this plan and opens nothing; the auditor reads the list of accesses, not the recordings.
You can see who opened yours.
Kept: {retention} days at most; {reviewed} days after the session; {unreviewed} days when there is no session;
then the key and the file are destroyed. The answer given for each call is kept 30 days, the accesses
12 months, your plans 24.

Your rights: access and copy, erasure, objection, restriction; an answer within a month. Write to: {contact}.
Complaint: your data protection authority (in France the CNIL, www.cnil.fr).
""",
}

COUNCIL: Final[Mapping[Language, str]] = {
    "fr": """Note au comité social et économique : enregistrements de formation couplant un appel et une fenêtre

Responsable : {controller} ({contact}). Délégué à la protection des données : {officer}.
Analyse d'impact : {assessment}. Consultation : {council}, le {dated}.

But : former des personnes nommément inscrites, pour un temps court. Ni évaluation, ni discipline, ni écoute en direct ;
aucun indicateur d'activité, aucune note, aucune reconnaissance de la parole ou des émotions.
Qui : personnes inscrites, {trainees} ; plans en cours, {plans} ; formateurs, {trainers}. Chaque plan nomme personne, motif
({needs}), formateur, approbateur qui n'est pas le formateur, début et fin ; six mois au plus en 24 mois.
Quoi : les deux voix et la vidéo continue, sans image fixe, de la seule fenêtre de :
{applications}
Quand : pendant la conversation seulement ; en attente, en consultation et pendant un paiement, rien.
Combien : au plus {rate} des appels, tirés au sort avant la réponse (plafond 25 %), et des créneaux réservés (2 h par jour
au plus) ; par personne {count} enregistrements et {minutes} minutes par semaine au plus ; jamais plus que ce que les
formateurs ont déclaré pouvoir écouter ({capacity} minutes par semaine en tout), et plus rien tant que leur retard l'atteint.
Information : chacun prend connaissance du texte en vigueur avant tout enregistrement, et de nouveau quand il change. Un
témoin rouge est affiché. Les appelants entendent une annonce et peuvent s'opposer par une touche avant et pendant l'appel.
Accès : la personne seule pendant {first_hours} h ; ensuite son formateur, pour une séance déclarée. Chaque accès, refusé
ou non, est inscrit d'abord dans un journal que l'auditeur contrôle. L'administrateur n'ouvre rien.
Conservation : {retention} jours au plus, {reviewed} jours après la séance, {unreviewed} jours sans séance ;
plafond {ceiling} jours.
Droits : accès, effacement, opposition, limitation, auprès de {contact} ; réponse sous un mois.
""",
    "en": """Note to the works council: training recordings that couple a call with a window

Controller: {controller} ({contact}). Data protection officer: {officer}.
Impact assessment: {assessment}. Consultation: {council}, on {dated}.

Purpose: to train persons enrolled by name, for a short time. No appraisal, no discipline, no live listening;
no measure of activity, no grade, no recognition of speech or emotion.
Who: persons enrolled, {trainees}; plans at present, {plans}; trainers, {trainers}. Each plan names a person, a reason
({needs}), a trainer, an approver who is not the trainer, a first and a last day; six months at most in 24 months.
What: both voices and the continuous video, without a still image, of the window of:
{applications}
When: during the conversation only; on hold, in a consultation and during a payment, nothing.
How much: at most {rate} of the calls, drawn before the answer (ceiling 25%), and booked slots (2 h a day at
most); for each person {count} recordings and {minutes} minutes a week at most; never more than the trainers declared
they can review ({capacity} minutes a week in all), and nothing while what waits for them comes to that.
Information: everyone acknowledges the text in force before any recording, and again when it changes. A red
sign is shown. Callers hear an announcement and may object with a key before and during the call.
Access: the person alone for {first_hours} h; then their trainer, for a stated session. Every access, refused
or not, is first written into a log that the auditor checks. The administrator opens nothing.
Kept: {retention} days at most, {reviewed} days after the session, {unreviewed} days without one; ceiling {ceiling} days.
Rights: access, erasure, objection, restriction, at {contact}; an answer within a month.
""",
}

CALLER: Final[Mapping[Language, str]] = {
    "fr": "Cet appel peut être enregistré, avec l'écran du conseiller, pour former nos conseillers. Pour vous y opposer, "
    "appuyez sur {notice_key} maintenant, ou plus tard sur {objection_code} à tout moment de l'appel.",
    "en": "This call may be recorded, with our agent's screen, to train our staff. To object, press {notice_key} now, or "
    "{objection_code} at any time of the call.",
}
SPOKEN_STAR: Final[Mapping[Language, str]] = {"fr": "étoile ", "en": "star "}
