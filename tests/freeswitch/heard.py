"""What FreeSWITCH says in a story: recorded events, changed where the recording's site differs, and events of our own.

The recorded site ran a recorder of its own and had no notice: `heard` leaves the one out and puts the other in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId, TraineeId
from pbx_bridge.telephony.freeswitch.translate import Translator
from pbx_bridge.training.plans import Trainee
from tests.calls.story import ALICE, BOB, CALLER_NOTICE, Story
from tests.freeswitch import vectors

Event = dict[str, str]
NOTICE = CALLER_NOTICE.encode().hex()
"""What the dialplan reports is the hash of a text."""
TRAINEES = (
    Trainee(ALICE, ("user/1001@127.0.0.1", "user/1003@127.0.0.1"), "1001@127.0.0.1", "alice"),
    Trainee(BOB, ("user/1002@127.0.0.1",), "", "bob"),
)


def own(word: str, channel: str, after: Event, **more: str) -> Event:
    """The dialplan reports this of a channel, at the moment of another event."""
    return {
        "Event-Name": "CUSTOM",
        "Event-Subclass": f"pbx_bridge::{word}",
        "Unique-ID": channel,
        "Event-Date-Timestamp": after["Event-Date-Timestamp"],
        **more,
    }


def heard(name: str, *, notice: bool = True) -> list[Event]:
    """A recorded stream without its site's recorder; the first channel's party hears the notice to its end."""
    kept = [
        one for one in vectors.events(name) if one["Event-Name"] not in ("RECORD_START", "MEDIA_BUG_START")
    ]
    at = next(index for index, one in enumerate(kept) if one["Event-Name"] == "CHANNEL_CREATE")
    told = own("notice", kept[at]["Unique-ID"], kept[at], Notice=NOTICE)
    return [*kept[: at + 1], told, *kept[at + 1 :]] if notice else kept


def index(events: Iterable[Event], kind: str, channel: str | None = None, number: int = 0) -> int:
    """Where the `number`th event of this kind is; of this channel, if one is given."""
    places = [
        place
        for place, one in enumerate(events)
        if kind in (one["Event-Name"], one.get("Event-Subclass")) and channel in (None, one.get("Unique-ID"))
    ]
    return places[number]


def ns(events: list[Event], kind: str, channel: str | None = None, number: int = 0) -> int:
    """When that was."""
    return vectors.stamp_ns(events[index(events, kind, channel, number)])


def channels(events: Iterable[Event]) -> list[ChannelId]:
    """In the order of their births."""
    return [ChannelId(one["Unique-ID"]) for one in events if one["Event-Name"] == "CHANNEL_CREATE"]


class Site:
    """A desk behind one FreeSWITCH: `site >> events`; what it orders is in `site.story`."""

    def __init__(self, roll: float = 0.0, trainees: Iterable[Trainee] = TRAINEES) -> None:
        self.story = Story(roll, trainees=trainees)
        self.table = Translator(vectors.DIGEST_KEY, vectors.OWN_PIPES)
        self.facts: list[Fact] = []

    def __rshift__(self, events: Iterable[Event]) -> Site:
        for event in events:
            self.told(self.table.learn(event, vectors.stamp_ns(event)))
        return self

    def told(self, facts: Iterable[Fact]) -> Site:
        for fact in facts:
            self.facts.append(fact)
            self.story >> fact
        return self

    def orders(self, *kinds: type) -> Iterator[object]:
        """Those given so far, of these kinds."""
        return (order for order in self.story.orders if isinstance(order, kinds))


def trainee_of(order: object) -> TraineeId:
    return order.trainee  # type: ignore[attr-defined,no-any-return]
