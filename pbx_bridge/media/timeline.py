"""Which pictures go into the file, and at what time of it. Times are the bridge's monotonic clock; file time
0 is the start of the talk.

It knows when what a picture shows was painted and when it was taken (with an error bound), whether it is the
neutral card, and when the parties talked; never what a picture shows. It decides, a writer obeys. A picture
stands at the time of its painting, and only where its taking still lay in the talk: a change just before a
hang-up may be taken just after it, with what was painted then.

Theory. Pictures come in the order taken, each after its orders: a card keyframe first when the station was
paused, a window keyframe first when it was resumed. Everything waits until its time lies `HOLD_NS` back, so
that a pause or an end can still cut it. Three things hold the *edge*, before which voices and silence may be
written, back further:

- In talk: P2's one picture each second. Nothing is written of a second for which no picture came, so the file
  can always end at the edge.
- In a pause: the pause's first instant. The card and the silence of a pause are written only once the talk
  went on and showed a picture. A recording that ends in a pause ends where the pause began, and so does one
  whose station never sent the card: the last window picture cannot stand over a pause, because no file time
  exists there until the card is at its beginning.
- The end of the recording.

Left out on purpose: pictures of a pause other than its first card. The writer shows that one again each
second.
"""

from __future__ import annotations

from collections import deque

from pbx_bridge.media.pictures import (
    MS,
    PICTURE_EVERY_NS,
    Drop,
    Picture,
    PicturesMissing,
    Show,
    Tally,
    breaks_p2,
    gap_breaks_p2,
)
from pbx_bridge.media.spans import Spans

HOLD_NS = 300 * MS
"""How long everything waits for facts and samples that are late: a PBX event takes a few ms, a voice chunk
one jitter more."""
ERROR_NS = 500 * MS
"""A clock known no better than this is unknown (P10); below P2's second, so that the edge covers every
doubt."""
SURE_PAUSE_NS = 2_000 * MS
"""Longer than an order can be on its way to a station that still holds its lease: after such a pause a
picture that follows the card was taken after the order to resume, whatever the clocks say."""
_EVER_NS = 1 << 63


class Timeline:
    """Feed it stamps and pictures, then `advance`; what it returns is in file order."""

    def __init__(self, start_ns: int) -> None:
        self.spans = Spans(start_ns)
        self.tally = Tally()
        self.edge_ns = start_ns
        """Voices and silence before this instant may be written."""
        self.decided_seq: int | None = None
        """Of every picture up to here it is decided whether it is shown."""
        self._start_ns = start_ns
        self._waiting: deque[Picture] = deque()
        self._span = 0
        """Number of the talk span that is being filled."""
        self._newest_ns: int | None = None
        """Time of the newest picture shown in that span, as its station said it: its place in the file may be later."""
        self._card: Picture | None = None
        """The card of the pause after that span."""
        self._chained = False
        """The next inter-frame can be decoded: nothing was left out since the last keyframe."""
        self._last_ms = -1
        self._last_seq: int | None = None
        self._latest_ns: int | None = None
        self._order: list[Show] = []

    def picture(self, picture: Picture) -> None:
        """A picture arrived. One sent again after a reconnect is ignored; after a gap in the numbers only a
        keyframe helps."""
        if self._last_seq is not None and picture.seq <= self._last_seq:
            self.tally.dropped[Drop.REPEATED] += 1
            return
        self._last_seq = picture.seq
        self._latest_ns = picture.at_ns - picture.error_ns
        self._waiting.append(picture)

    def advance(self, heard_ns: int, now_ns: int) -> list[Show]:
        """Everything that is due at `now_ns` when all facts before `heard_ns` have been told. Raises:
        PicturesMissing (P2)."""
        self._fill(heard_ns - HOLD_NS)
        self._move_edge(heard_ns - HOLD_NS)
        if self.spans.talking:
            self._miss_pictures(now_ns)
        return self._take_order()

    def finish(self) -> list[Show]:
        """The last orders, after `close`, when nothing more is to come; then `edge_ns` is the end of the
        file."""
        if self.spans.end_ns is None:
            raise ValueError("finish before close")
        self._fill(_EVER_NS)
        self._move_edge(self.spans.end_ns)
        return self._take_order()

    def passed(self, at_ns: int) -> bool:
        """A picture taken at or after `at_ns` came: as they come in order, none of before is still under
        way."""
        return self._latest_ns is not None and self._latest_ns >= at_ns

    def _take_order(self) -> list[Show]:
        order, self._order = self._order, []
        return order

    def _miss_pictures(self, now_ns: int) -> None:
        current = self.spans.all[self._span]
        if self._span + 1 == len(self.spans.all):
            if breaks_p2(current.start_ns if self._newest_ns is None else self._newest_ns, now_ns):
                raise PicturesMissing
        elif breaks_p2(self.spans.all[-1].start_ns, now_ns):
            # The talk went on but its station never showed it: the recording ends where the pause began.
            assert current.end_ns is not None
            self.spans.close(current.end_ns)

    def _fill(self, known_ns: int) -> None:
        while self._waiting:
            picture = self._waiting[0]
            if self.decided_seq is not None and picture.seq != self.decided_seq + 1:
                self._chained = False
            if not self._decide(picture, known_ns):
                return
            self.decided_seq = self._waiting.popleft().seq

    def _decide(self, picture: Picture, known_ns: int) -> bool:
        """Show it or drop it; False: too early to say."""
        if picture.error_ns > ERROR_NS:
            return self._drop(picture, Drop.CLOCK)
        talk = self.spans.all[self._span]
        latest_ns = max(picture.taken_ns + picture.error_ns, self._next_ns())
        if talk.end_ns is None or latest_ns < talk.end_ns:
            return latest_ns < known_ns and self._within(picture, talk.start_ns)
        if picture.card and picture.keyframe and self._card is None:
            self._card = picture
            self._chained = False
            return True
        return self._beyond(picture, latest_ns, known_ns)

    def _beyond(self, picture: Picture, latest_ns: int, known_ns: int) -> bool:
        """The picture lies, or may lie, after the end of the span being filled."""
        ended_ns = self.spans.all[self._span].end_ns
        assert ended_ns is not None
        while self._span + 1 < len(self.spans.all):
            after = self.spans.all[self._span + 1]
            doubt_ns = -picture.error_ns if after.start_ns - ended_ns >= SURE_PAUSE_NS else picture.error_ns
            if self._card is None or not picture.keyframe or picture.at_ns - doubt_ns < after.start_ns:
                return self._drop(picture, Drop.PAUSE)
            if after.end_ns is None or latest_ns < after.end_ns:
                if latest_ns >= known_ns:
                    return False
                if breaks_p2(after.start_ns, picture.at_ns):
                    self.spans.close(ended_ns)
                    break
                self._resume(ended_ns, self._card)
                return self._within(picture, after.start_ns)
            if picture.at_ns - picture.error_ns < after.end_ns:
                return self._drop(picture, Drop.AFTER)
            self.spans.forget(self._span + 1)  # no picture of it came: it stays a part of the pause
        return self._drop(picture, Drop.PAUSE if self.spans.end_ns is None else Drop.AFTER)

    def _resume(self, paused_ns: int, card: Picture) -> None:
        self._span += 1
        self._newest_ns = self._card = None
        resumed_ms = (self.spans.all[self._span].start_ns - self._start_ns) // MS
        self._show(card, paused_ns, until_ms=resumed_ms)

    def _within(self, picture: Picture, start_ns: int) -> bool:
        if self._newest_ns is None and picture.at_ns + picture.error_ns < start_ns:
            return self._drop(picture, Drop.BEFORE)
        if not picture.keyframe and not self._chained:
            return self._drop(picture, Drop.CHAIN)
        at_ns = max(picture.at_ns, start_ns, self._next_ns())
        if gap_breaks_p2(start_ns if self._newest_ns is None else self._newest_ns, at_ns):
            raise PicturesMissing
        self._newest_ns = picture.at_ns
        self._chained = True
        self.tally.shown += 1
        self.tally.max_error_ns = max(self.tally.max_error_ns, picture.error_ns)
        self._show(picture, at_ns)
        return True

    def _drop(self, picture: Picture, why: Drop) -> bool:
        self.tally.dropped[why] += 1
        self._chained = False
        return True

    def _next_ns(self) -> int:
        """The first instant after the last picture's, in whole milliseconds of the file."""
        return self._start_ns + (self._last_ms + 1) * MS

    def _show(self, picture: Picture, at_ns: int, until_ms: int | None = None) -> None:
        self._last_ms = max((at_ns - self._start_ns) // MS, self._last_ms + 1)
        self._order.append(Show(self._last_ms, picture, until_ms))

    def _move_edge(self, known_ns: int) -> None:
        if self._newest_ns is None:
            return
        edge_ns = min(known_ns, self._newest_ns + PICTURE_EVERY_NS)
        end_ns = self.spans.all[self._span].end_ns
        if end_ns is not None:
            edge_ns = min(edge_ns, end_ns)
        self.edge_ns = max(self.edge_ns, edge_ns)
        self.spans.released_ns = max(self.spans.released_ns, self.edge_ns)
