"""The report's sentences, in French and English. `{names}` are filled by record.py; nothing here is ever a person's.

The order of the entries is the order on the page. What only the controller can know (the legal basis, the necessity in
its own house) is worded as a proposal to confirm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["fr", "en"]
Labels: TypeAlias = Mapping[str, tuple[str, str]]
"""Key to label and text."""

TITLES: Final[Mapping[Language, Mapping[str, str]]] = {
    "fr": {
        "report": "Enregistrements de formation : registre, analyse d'impact, chiffres",
        "made_on": "Établi le {made_on} à partir de la configuration en service, du catalogue et du journal des appels.",
        "record": "Registre des activités de traitement (RGPD art. 30)",
        "assessment": "Éléments pour l'analyse d'impact (RGPD art. 35)",
        "figures": "Chiffres mensuels (sans personne)",
        "missing": "À compléter par le responsable",
        "few": "Moins de {fewest} personnes ce mois-là : aucun chiffre n'est donné.",
        "running": "Ce mois n'est pas terminé : aucun chiffre n'est donné.",
        "other": "Regroupés",
        "together": "Les nombres qui reposent sur moins de {fewest} personnes sont regroupés, avec un autre.",
        "none": "aucun appel d'une personne inscrite",
        "month": "Mois",
        "calls": "Appels",
        "minutes": "Minutes enregistrées",
        "reasons": "Motifs",
        "unknown": "non renseigné",
    },
    "en": {
        "report": "Training recordings: record of processing, impact assessment, figures",
        "made_on": "Made on {made_on} from the live configuration, the catalogue and the ledger.",
        "record": "Record of processing activities (GDPR art. 30)",
        "assessment": "Inputs for the impact assessment (GDPR art. 35)",
        "figures": "Monthly figures (without persons)",
        "missing": "To be completed by the controller",
        "few": "Fewer than {fewest} persons that month: no figures are given.",
        "running": "This month is not over: no figures are given.",
        "other": "Together",
        "together": "Counts that rest on fewer than {fewest} persons stand together, with one more.",
        "none": "no call of an enrolled person",
        "month": "Month",
        "calls": "Calls",
        "minutes": "Minutes recorded",
        "reasons": "Reasons",
        "unknown": "not given",
    },
}

OUTCOMES: Final[Mapping[Language, Mapping[str, str]]] = {
    "fr": {"recorded": "Enregistrés", "not-recorded": "Non enregistrés", "discarded": "Détruits"},
    "en": {"recorded": "Recorded", "not-recorded": "Not recorded", "discarded": "Destroyed"},
}

RECORD: Final[Mapping[Language, Labels]] = {
    "fr": {
        "controller": ("Responsable du traitement", "{controller}"),
        "contact": ("Contact pour l'exercice des droits", "{contact}"),
        "data_protection_officer": ("Délégué à la protection des données", "{data_protection_officer}"),
        "purpose": (
            "Finalité",
            "Former des personnes nommément inscrites, pour une durée limitée, en rapprochant un appel et la "
            "vidéo de la fenêtre de l'application métier. Ni évaluation, ni discipline, ni écoute en direct (P21).",
        ),
        "legal_basis": (
            "Base légale",
            "Intérêt légitime de former (RGPD art. 6, 1, f), à confirmer par le responsable ; chacun peut "
            "s'opposer, sans motif, appel par appel.",
        ),
        "persons": (
            "Personnes concernées",
            "Personnes en formation ({trainees} aujourd'hui) ; leurs interlocuteurs au téléphone ; formateurs et "
            "approbateur (traces d'accès).",
        ),
        "data": (
            "Catégories de données",
            "Les deux voix de l'appel, sur deux pistes ; la vidéo continue de la seule fenêtre de : "
            "{applications}. Réponse donnée à chaque appel (journal) ; prises de connaissance de l'information ; "
            "traces d'accès ; remarques courtes du formateur à un moment de l'enregistrement, détruites avec lui ; "
            "oppositions (empreinte à clé du numéro). Ni image fixe, ni écran entier, ni frappe, "
            "ni micro, ni caméra, ni notation, ni reconnaissance vocale (P1, P3, P6).",
        ),
        "recipients": (
            "Destinataires",
            "La personne formée, seule pendant {trainee_first_hours} h ; ensuite le formateur désigné, pour une "
            "séance déclarée. L'auditeur ou le délégué lit les traces d'accès. Aucun sous-traitant n'intervient "
            "par le logiciel.",
        ),
        "transfers": (
            "Transferts hors de l'Union",
            "Aucun : le logiciel n'envoie rien hors de vos machines.",
        ),
        "retention": (
            "Durées de conservation",
            "Enregistrements : {retention_days} jours, {reviewed_days} jours après la séance de formation, "
            "{unreviewed_days} jours sans séance, jamais plus de {ceiling_days} jours. Journal des appels : "
            "{ledger_days} jours. Traces d'accès et demandes : 12 mois. Plans de formation, pour compter six mois "
            "sur 24 : 24 mois après leur dernier jour. Oppositions (empreinte du numéro) : {opt_out_months} mois. "
            "Chiffres sans personne : sans limite.",
        ),
        "security": (
            "Mesures de sécurité",
            "Un fichier chiffré par appel, sous sa propre clé (age v1 : X25519, ChaCha20-Poly1305), rien en clair "
            "sur un disque ; clés tenues par un processus séparé, remises pour la seule clé de la personne "
            "autorisée après inscription dans le journal d'accès ; journal chaîné ; TLS 1.3 ; destruction de la "
            "clé et du fichier ; rôles séparés (P17 à P22).",
        ),
    },
    "en": {
        "controller": ("Controller", "{controller}"),
        "contact": ("Contact for the exercise of rights", "{contact}"),
        "data_protection_officer": ("Data protection officer", "{data_protection_officer}"),
        "purpose": (
            "Purpose",
            "To train persons enrolled by name for a limited time, by coupling a call with a video of the "
            "business application's window. No appraisal, no discipline, no live listening (P21).",
        ),
        "legal_basis": (
            "Legal basis",
            "Legitimate interest in training (GDPR art. 6(1)(f)), for the controller to confirm; anybody may "
            "object, without a reason, call by call.",
        ),
        "persons": (
            "Persons concerned",
            "Persons in training ({trainees} today); the persons they talk with on the telephone; trainers and "
            "approver (access records).",
        ),
        "data": (
            "Categories of data",
            "Both voices of the call, on two tracks; the continuous video of the window of: {applications}, and "
            "no other. The answer given for each call (ledger); acknowledgements of the notice; access records; "
            "the trainer's short notes at moments of a recording, destroyed with it; "
            "objections (keyed hash of the number). No still image, no whole screen, no keystroke, microphone or "
            "camera, no grade, no speech recognition (P1, P3, P6).",
        ),
        "recipients": (
            "Recipients",
            "The trainee, alone for {trainee_first_hours} h; then the assigned trainer, for a stated training "
            "session. The auditor or data protection officer reads the access records. The software involves no "
            "processor.",
        ),
        "transfers": (
            "Transfers outside the Union",
            "None: the software sends nothing outside your machines.",
        ),
        "retention": (
            "Retention",
            "Recordings: {retention_days} days, {reviewed_days} days after the training session, "
            "{unreviewed_days} days without one, never more than {ceiling_days} days. Ledger: {ledger_days} days. "
            "Access records and requests: 12 months. Training plans, to count six months in 24: 24 months after "
            "their last day. Objections (hash of the number): {opt_out_months} months. "
            "Figures without persons: no limit.",
        ),
        "security": (
            "Security",
            "One sealed file per call under its own key (age v1: X25519, ChaCha20-Poly1305), nothing in clear on "
            "a disk; keys held by a separate process and released only for the authorised person's own key after "
            "an entry in the access log; chained log; TLS 1.3; key and file destroyed; separate roles (P17 to "
            "P22).",
        ),
    },
}

ASSESSMENT: Final[Mapping[Language, Labels]] = {
    "fr": {
        "reference": ("Analyse d'impact", "{impact_assessment}"),
        "works_council": ("Consultation du CSE", "{works_council}"),
        "dated": ("Datée du", "{compliance_dated}"),
        "applications": ("Fenêtres filmées", "{filmed}"),
        "needs": ("Besoins de formation en cours", "{needs}"),
        "scale": (
            "Ampleur",
            "Plans en cours : {plans} ; personnes : {trainees} ; formateurs : {trainers} ; plan le plus long, en "
            "jours : {longest_plan_days}.",
        ),
        "draw": (
            "Tirage",
            "Au plus {highest_rate} des appels, tirés avant la réponse (plafond {rate_ceiling}) ; créneaux "
            "réservés : {booked_slots}.",
        ),
        "volume": (
            "Volume",
            "Tous plans réunis, au plus {recordings_per_week} enregistrements et {minutes_per_week} minutes par "
            "semaine ; par personne, plafonds {recordings_ceiling} et {minutes_ceiling}.",
        ),
        "capacity": (
            "Capacité de séance",
            "{capacity_minutes} minutes par semaine déclarées par les formateurs ; au-delà, rien n'est enregistré (P15).",
        ),
        "secrets": (
            "Secrets et paiements",
            "Zones masquées et titres de pause ci-dessus ; un paiement met en pause les deux voix et la fenêtre, au plus "
            "{payment_pause_s} s, après quoi l'enregistrement se termine ; aucune touche n'est notée (P7).",
        ),
        "pictures": ("Images par seconde", "{fps}"),
        "information": (
            "Information",
            "La personne formée prend connaissance du texte en vigueur avant tout enregistrement (P14) ; "
            "l'appelant entend une annonce ({notice_languages}) et peut s'opposer par une touche (P16). "
            "{workstations} postes inscrits.",
        ),
        "foreign_recorders": ("Autre enregistreur du site", "{foreign_recorders}"),
        "rights": (
            "Droits",
            "Accès, effacement, opposition, limitation : `pbx-bridge request` et `pbx-bridge export` ; échéance "
            "d'un mois affichée (RGPD art. 12, 3).",
        ),
        "residual": (
            "Risques résiduels",
            "Une personne qui regarde peut photographier l'écran ; champs de mot de passe dessinés à la main ; "
            "fichiers d'hibernation ; qui a tenu la clé d'un fichier peut garder le fichier ; root sur le serveur "
            "ou le PBX voit les appels en cours ; un administrateur local peut agir sur les fenêtres ; un "
            "approbateur complice.",
        ),
    },
    "en": {
        "reference": ("Impact assessment", "{impact_assessment}"),
        "works_council": ("Works council", "{works_council}"),
        "dated": ("Dated", "{compliance_dated}"),
        "applications": ("Windows filmed", "{filmed}"),
        "needs": ("Current training needs", "{needs}"),
        "scale": (
            "Scale",
            "Current plans: {plans}; persons: {trainees}; trainers: {trainers}; longest plan, in days: "
            "{longest_plan_days}.",
        ),
        "draw": (
            "Draw",
            "At most {highest_rate} of the calls, drawn before the answer (ceiling {rate_ceiling}); booked slots: "
            "{booked_slots}.",
        ),
        "volume": (
            "Volume",
            "All plans together at most {recordings_per_week} recordings and {minutes_per_week} minutes a week; "
            "ceilings for one person: {recordings_ceiling} and {minutes_ceiling}.",
        ),
        "capacity": (
            "Review capacity",
            "{capacity_minutes} minutes a week declared by the trainers; beyond that nothing is recorded (P15).",
        ),
        "secrets": (
            "Secrets and payments",
            "Masked parts and pause titles as above; a payment pauses both voices and the window, at most "
            "{payment_pause_s} s, after which the recording ends; no key pressed is noted (P7).",
        ),
        "pictures": ("Pictures per second", "{fps}"),
        "information": (
            "Information",
            "The trainee acknowledges the current text before anything is recorded (P14); the caller hears an "
            "announcement ({notice_languages}) and can object by a key (P16). {workstations} workstations "
            "enrolled.",
        ),
        "foreign_recorders": ("The site's own recorder", "{foreign_recorders}"),
        "rights": (
            "Rights",
            "Access, erasure, objection, restriction: `pbx-bridge request` and `pbx-bridge export`; the month to "
            "answer in is shown (GDPR art. 12(3)).",
        ),
        "residual": (
            "Residual risks",
            "A viewer can photograph the screen; hand-drawn password fields; hibernation files; whoever held a "
            "file's key can keep the file; root on the server or the PBX sees live calls; a local administrator "
            "can interfere with windows; a colluding approver.",
        ),
    },
}

PHRASES: Final[Mapping[Language, Mapping[str, str]]] = {
    "fr": {
        "refused": "un appel qu'il enregistre n'est pas enregistré ici",
        "allowed": "admis sur les mêmes appels : à décrire dans l'analyse d'impact",
        "demonstration": "mode de démonstration : aucune analyse n'est exigée, n'enregistrez personne pour de vrai",
        "narrowed": "titre restreint",
        "pinned": "programme vérifié par empreinte",
        "masks": "masques : {count}",
        "pauses": "titres de pause : {count}",
        "new-in-post": "prise de poste",
        "new-application": "nouvelle application",
        "back-after-absence": "retour après une longue absence",
        "no-controller": "Le responsable et son contact : section [controller] de la configuration.",
        "no-officer": "Le délégué à la protection des données, s'il y en a un : controller.data_protection_officer.",
        "no-compliance": "L'analyse d'impact et la consultation du CSE : section [compliance] (P14).",
        "old-compliance": "L'analyse d'impact a plus de trois ans : la revoir (RGPD art. 35, 11).",
    },
    "en": {
        "refused": "a call it records is not recorded here",
        "allowed": "allowed on the same calls: describe it in the impact assessment",
        "demonstration": "demonstration mode: no assessment is asked for; record nobody in earnest",
        "narrowed": "narrowed by title",
        "pinned": "program pinned by hash",
        "masks": "masks: {count}",
        "pauses": "pause titles: {count}",
        "new-in-post": "new in post",
        "new-application": "new application",
        "back-after-absence": "back after a long absence",
        "no-controller": "The controller and its contact: section [controller] of the configuration.",
        "no-officer": "The data protection officer, if there is one: controller.data_protection_officer.",
        "no-compliance": "The impact assessment and the works council's consultation: section [compliance] (P14).",
        "old-compliance": "The impact assessment is more than three years old: review it (GDPR art. 35(11)).",
    },
}
