"""What refusals and other closed words say on a page, in the reader's language.

Words only. Somebody without a right to a recording reads exactly what a guessed id gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pbx_bridge.portal.web.times import when
from pbx_bridge.wire_portal import Refused, Role

Say = Callable[[str], str]


def N_(message: str) -> str:
    """Marks a message for the catalogue."""
    return message


REFUSALS: Final = {
    "unknown": N_("There is no such recording for you. Your list shows those you may open."),
    "on-its-way": N_(
        "This recording is still on its way: it opens after the call has ended and the file is sealed."
    ),
    "not-kept": N_("Nothing was kept of this call."),
    "trainee-first": N_(
        "This recording is still the trainee's alone. It opens for you when they hand it over, or on %(until)s."
    ),
    "expired": N_("This recording's time of keeping ended on %(until)s. It opens for nobody."),
    "restricted": N_("Until %(until)s this recording is stored and nothing else: a person asked so."),
    "kept-for-request": N_("An open request keeps this recording, at the latest until %(until)s."),
    "key-unconfirmed": N_(
        "Your key is not confirmed yet: read its fingerprint to the approver, who has to compare it. "
        "It stands under “My account”."
    ),
    "clock": N_("The server's clock is in doubt: nothing opens until the administrator has confirmed it."),
    "audit-unwritable": N_(
        "Accesses cannot be recorded at the moment, so nothing opens. Tell the administrator."
    ),
    "keeper": N_("The keeper of the recordings does not answer. Try again, or tell the administrator."),
    "file": N_("The sealed file is missing or damaged. Tell the administrator."),
    "too-often": N_("Too many requests from here. Try again in %(seconds)s seconds."),
    "code": N_(
        "This invitation is wrong, was used, or is older than 15 minutes. Ask the administrator for a new one."
    ),
    "proof": N_("The proof with your key is wrong or came too late. Try again."),
    "not-joined": N_(
        "The key in this browser is not known here, or no longer. Ask the administrator for an invitation."
    ),
    "stranger": N_("The key in this browser belongs to another person here. Sign in under your own name."),
    "origin": N_("This form did not come from this site, or is too old. Open the page again."),
    "malformed": N_("This request cannot be read. Open the page again."),
    "passphrase": N_(
        "This passphrase can be guessed. Take more words, chosen at random: four or five that do not belong together."
    ),
    "differ": N_("The two new passphrases differ."),
    "second-factor": N_("The code of the second factor is wrong. Is the clock of your telephone right?"),
    "sign-in": N_("Name, passphrase or code is wrong, or this code was used already."),
    "session": N_("Your session has ended. Sign in again."),
    "visit-ended": N_("Your key has to be proven again, so this was not done: open the page anew."),
    "no-session": N_("Say in which training session: it stands in the record of accesses."),
    "note": N_("A note is plain text of 1 to 500 characters."),
    "note-unknown": N_("There is no such note of yours. Open the page again."),
    "notes-full": N_("This recording has as many notes as it may have. Erase one first."),
    "role": N_(
        "Your role here does not allow this, or it holds only once your key is confirmed: see “My account”."
    ),
    "slot": N_(
        "This slot cannot be booked: it must lie in the future, within your own plan, at most two hours a day."
    ),
    "disk": N_("The server's disk is full. Tell the administrator."),
    "asked-already": N_("You asked for this already: it stands under “My rights” with its deadline."),
    "not-found": N_(
        "There is no such page. The address may be old or mistyped; what you may see stands in the menu."
    ),
    "method": N_("This address is not asked like this. Open the page, and use its buttons."),
    "too-large": N_("More was sent than a page here takes (16 KiB). Shorten it."),
    "fault": N_(
        "The server made a mistake. It is written down there, without what you sent: tell the administrator when it was."
    ),
    "unavailable": N_(
        "This cannot be put together at the moment. Tell the administrator: the server's log says why."
    ),
    "changed": N_(
        "This was changed or removed meanwhile, so nothing was decided. Go back to the list and read what stands there now."
    ),
    "approved": N_("This is approved already. Withdraw the approval instead."),
    "unreadable": N_("This proposal cannot be read. Tell the administrator."),
    "ground": N_("Say why you refuse, by one of the reasons of the list."),
    "no-approver": N_("Only an approver whose own key is confirmed decides this."),
    "own": N_("Nobody decides about themselves: another approver has to."),
    "other-approver": N_("This plan names another approver."),
    "other-role": N_(
        "Somebody it names has a key here for another role, and nobody holds both. Tell the administrator."
    ),
    "months": N_(
        "With what was approved before, this person could be recorded on more days of 24 months than the rule allows. "
        "Let the plan begin later or end earlier."
    ),
}
OTHER: Final = N_("This was refused (%(word)s). Tell the administrator if you do not expect it.")

STATES: Final = {
    "open": N_("ready"),
    "on-its-way": N_("on its way"),
    "not-kept": N_("not recorded"),
    "trainee-first": N_("the trainee's alone"),
    "expired": N_("expired"),
    "restricted": N_("restricted"),
    "key-unconfirmed": N_("key not confirmed"),
    "clock": N_("clock in doubt"),
    "kept-for-request": N_("kept for a request"),
}
OUTCOMES: Final = {
    "recorded": N_("recorded"),
    "not-recorded": N_("not recorded"),
    "discarded": N_("destroyed"),
    "began": N_("being recorded"),
}
REASONS: Final = {
    "hung-up": N_("the call ended"),
    "party-left": N_("the other party left"),
    "transferred": N_("you transferred the call"),
    "parked": N_("the call was parked"),
    "third-party": N_("a third person joined"),
    "ceiling": N_("the longest time was reached"),
    "no-answer": N_("nobody answered"),
    "no-talk": N_("no talk with an outside party"),
    "no-plan": N_("no plan holds for you"),
    "plan-ended": N_("your plan is over"),
    "not-drawn": N_("not drawn"),
    "not-approved": N_("your plan is not approved as it stands, or you objected"),
    "weekly-cap": N_("enough was recorded this week"),
    "capacity": N_("your trainer can review no more this week"),
    "backlog": N_("too much waits for your trainer's review"),
    "never-record": N_("a number or queue that is never recorded"),
    "person-conflict": N_("it is not certain who was on the telephone"),
    "no-notice": N_("the caller did not hear the notice to its end"),
    "objection": N_("the caller objected"),
    "opted-out": N_("the caller objected earlier"),
    "private": N_("you called it private"),
    "not-acknowledged": N_("you have not acknowledged the current notice"),
    "no-station": N_("no workstation of yours was connected"),
    "station-locked": N_("your workstation was locked"),
    "several-stations": N_("you were at several workstations"),
    "busy-station": N_("your workstation was recording another call"),
    "lease-lost": N_("the connection to your workstation was lost"),
    "capture-refused": N_("your workstation refused"),
    "capture-late": N_("your workstation began too late"),
    "capture-failed": N_("your workstation could not film"),
    "indicator-gone": N_("the sign that shows recording was gone"),
    "too-few-pictures": N_("too few pictures"),
    "key-cloned": N_("two workstations used one key"),
    "pause-timeout": N_("a payment pause was not ended"),
    "link-lost": N_("the connection to the telephone system was lost"),
    "foreign-recorder": N_("another recorder was running"),
    "audio-missing": N_("the voices did not come"),
    "agent-unreachable": N_("your telephone could not be reached"),
    "unreadable": N_("the telephone system said something unreadable"),
    "disk": N_("the server's disk was full"),
    "overload": N_("the server was overloaded"),
    "clock": N_("the server's clock was in doubt"),
    "audit": N_("accesses could not be recorded"),
    "shutdown": N_("the server was being stopped"),
    "bridge-fault": N_("a fault of the server"),
    "expired": N_("its time of keeping ended"),
    "unreviewed": N_("not discussed with you within 14 days"),
    "reviewed": N_("seven days after its review"),
    "erased": N_("erased at a person's request"),
}
"""P24: the closed list, as its trainee reads it."""
FIGURES: Final = {
    "transferred": N_("the call was transferred"),
    "no-plan": N_("no plan held"),
    "plan-ended": N_("the plan was over"),
    "not-approved": N_("the plan was not approved as it stood"),
    "capacity": N_("the trainer could review no more that week"),
    "backlog": N_("too much waited for review"),
    "private": N_("the trainee called it private"),
    "not-acknowledged": N_("the notice was not acknowledged"),
    "no-station": N_("no workstation was connected"),
    "station-locked": N_("the workstation was locked"),
    "several-stations": N_("several workstations of one person"),
    "busy-station": N_("the workstation was recording another call"),
    "lease-lost": N_("the connection to the workstation was lost"),
    "capture-refused": N_("the workstation refused"),
    "capture-late": N_("the workstation began too late"),
    "capture-failed": N_("the workstation could not film"),
    "agent-unreachable": N_("the telephone could not be reached"),
    "unreviewed": N_("not discussed within 14 days"),
}
"""P24: the reasons that speak to their trainee, where nobody is spoken to."""
NEEDS: Final = {
    "new-in-post": N_("new in post"),
    "new-application": N_("new application"),
    "back-after-absence": N_("back after absence"),
}
RIGHTS: Final = {
    "access": N_("a copy"),
    "erasure": N_("erasure"),
    "restriction": N_("restriction"),
    "objection": N_("objection"),
}
REQUEST_STATES: Final = {
    "open": N_("open"),
    "due soon": N_("due soon"),
    "overdue": N_("overdue"),
    "answered": N_("answered"),
    "refused": N_("refused"),
    "withdrawn": N_("taken back"),
}
ACTS: Final = {
    "open": N_("opened"),
    "view": N_("watched"),
    "fetch": N_("fetched the sealed file"),
    "export": N_("took a copy"),
    "read-notes": N_("read the notes"),
    "write-note": N_("wrote a note"),
    "erase-note": N_("erased a note"),
    "hand-over": N_("handed over"),
    "review": N_("marked as reviewed"),
    "training": N_("looked at their week"),
    "book-slot": N_("booked a slot"),
    "cancel-slot": N_("cancelled a slot"),
    "erase": N_("erased"),
    "close": N_("closed a request"),
    "list": N_("looked at the list"),
    "own": N_("looked at what is kept of them"),
    "accesses": N_("looked at the accesses"),
    "join": N_("joined with a new key"),
    "confirm": N_("confirmed a key"),
    "approve": N_("approved"),
    "withdraw": N_("withdrew an approval"),
    "refuse": N_("refused a proposal"),
    "audit": N_("read this record"),
    "report": N_("read the figures"),
    "proposals": N_("looked at what waits"),
    "requests": N_("looked at requests"),
    "token-add": N_("made a program's token"),
    "token-remove": N_("removed a program's token"),
    "prove": N_("proved a key"),
    "grant": N_("granted a copy"),
    "extend": N_("extended a request"),
    "end-plan": N_("ended a plan"),
    "put": N_("began a recording"),
    "finish": N_("sealed a recording"),
    "recover": N_("rebuilt a recording"),
    "reconcile": N_("counted the recordings"),
    "confirm-clock": N_("confirmed the clock"),
    "restored": N_("found a restored backup"),
    "renew": N_("changed its own key"),
    "forget": N_("let an old month go"),
    "unwritable": N_("could not write"),
    "invite": N_("invited"),
    "revoke": N_("revoked"),
    "request": N_("noted a request"),
    "destroy": N_("destroyed"),
    "purge": N_("destroyed at its end"),
}
"""Of the audit log's words; another is shown as it stands."""
BROKEN: Final = {
    "cut": N_("it is cut in the middle."),
    "no-entry": N_("it is not written as an entry is."),
    "number": N_("in its place stands another: entries were deleted, repeated or put in another order."),
    "follows": N_("it does not follow the one before it: it was changed, or put here later."),
    "changed": N_("it was changed after it was written."),
    "replaced": N_("it was not written by the keeper: it, and all after it, were replaced."),
    "checkpoint": N_("the newest checkpoint is missing, or not the keeper's."),
    "missing": N_("it is missing: the record was cut."),
    "not-newest": N_("it is not the one the newest checkpoint names."),
    "rolled-back": N_(
        "from here on it is not as the second place knows it: the record was set back and continued."
    ),
    "second-knows": N_(
        "it is missing: the second place knows more entries. The record was cut, or set back."
    ),
    "other-key": N_(
        "the second place knows a record with another key: this one was begun anew, or that is of another server."
    ),
    "two-of-them": N_("the second place knows two of this number: the record was set back."),
}
"""What is wrong with the first bad entry of the record of accesses (static/audit_chain.js)."""
GROUNDS: Final = {
    "need": N_("the training need is not shown"),
    "person": N_("the person, a device or the login is not right"),
    "trainer": N_("another trainer, or less capacity"),
    "application": N_("the window, its masks or pauses are not right"),
    "days": N_("too long, or at the wrong time"),
    "volume": N_("more is recorded than the need asks for"),
    "papers": N_("the impact assessment or the consultation does not cover it"),
}
"""Why an approver refuses a proposal."""
FACTS: Final = {
    "trainee": N_("Trainee"),
    "devices": N_("Telephones"),
    "member": N_("Name in the queue"),
    "login": N_("Login at the workstation"),
    "need": N_("Why"),
    "application": N_("What is filmed"),
    "trainer": N_("Trainer"),
    "approver": N_("Approver"),
    "first-day": N_("First day"),
    "last-day": N_("Last day"),
    "rate": N_("Calls drawn"),
    "recordings": N_("Recordings a week"),
    "minutes": N_("Minutes a week"),
    "capacity": N_("Review minutes a week"),
}
"""Of a proposal."""
ACTORS: Final = {
    "(administrator)": N_("the administrator"),
    "(bridge)": N_("the server"),
    "(keeper)": N_("the keeper"),
    "(unknown)": N_("somebody unknown"),
}
"""Who is no person in the record of accesses."""
WHYS: Final = {
    "look": N_("a page of it"),
    "copy": N_("for a copy"),
    "verify": N_("to verify it"),
    "plan": N_("a plan"),
    "capacity": N_("a review capacity"),
    "first-approver": N_("the first approver"),
    "role": N_("not this person's role"),
    "code": N_("wrong or used invitation"),
    "unknown-key": N_("unknown key"),
    "wrong-answer": N_("wrong proof"),
    "no-session": N_("no training session stated"),
    "approved": N_("is approved already"),
    "no-approver": N_("is no approver"),
    "own": N_("would decide about themselves"),
    "other-approver": N_("names another approver"),
    "other-role": N_("names somebody of another role"),
    "months": N_("six months of 24 are used"),
    "unreadable": N_("cannot be read"),
    "ground": N_("no reason of the list"),
    "damaged": N_("a part is not as it was sealed: broken off"),
    "unvouched": N_("not what its recorder signed: broken off"),
}
"""Reasons in the record of accesses that are those of no call and no recording."""
ROLES: Final = {
    "trainee": N_("trainee"),
    "trainer": N_("trainer"),
    "approver": N_("approver"),
    "auditor": N_("auditor"),
    "administrator": N_("administrator"),
}


MENUS: Final = {
    Role.TRAINEE: (
        ("/recordings", N_("My recordings")),
        ("/plan", N_("My plan")),
        ("/notice", N_("My notice")),
        ("/calls", N_("My calls")),
        ("/accesses", N_("Who opened what")),
        ("/rights", N_("My rights")),
    ),
    Role.TRAINER: (("/trainees", N_("My trainees")),),
    Role.APPROVER: (("/proposals", N_("To decide")), ("/report", N_("Figures"))),
    Role.AUDITOR: (("/audit", N_("Record of accesses")), ("/report", N_("Figures"))),
}
"""Which pages a role works with. What stands on them the keeper decides, whoever types their address."""


def refusal(refused: Refused, language: str, say: Say) -> str:
    """One sentence for a person."""
    message = say(REFUSALS.get(refused.word, OTHER))
    until = when(refused.until, language) if refused.until else ""
    return message % {"until": until, "seconds": refused.until, "word": refused.word}


def word(table: dict[str, str], key: str, say: Say) -> str:
    """A closed word as people say it."""
    return say(table[key]) if key in table else key
