"""Both cores joined by a link that is cut at any moment: nothing is lost, nothing comes twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import wire
from pbx_bridge.stations import events
from pbx_bridge.stations.link import Say, Tell
from pbx_bridge.wire import CaptureEnd
from pbx_bridge.wire_picture import Picture
from tests.stations.test_link import MS, ONE, SKEW, Story
from workstation_client.spool import Spool

Step = tuple[str, int]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["picture", "send", "send", "send", "cut", "lose", "acknowledge"]),
        max_size=120,
    )
)
def test_nothing_lost_nothing_twice(steps: list[str]) -> None:
    story, spool = Story().recording(), Spool()
    spool.add(wire.CaptureStarted(ONE, 0, story.now + SKEW), 0)
    spool.resume((wire.Resume(ONE, 1),))
    made = 0
    arrived: list[events.PictureArrived] = []

    def send() -> bool:
        entry = spool.to_send()
        if entry is None:
            return False
        if isinstance(entry, Picture):
            story.outs = story.link.picture(story.now, entry)
        else:
            story.hear(entry)
        arrived.extend(e for e in story.told if isinstance(e, events.PictureArrived))
        return True

    def reconnect() -> None:
        story.link.disconnected(story.now)
        story.connect(*spool.held())
        assert not any(isinstance(o, Tell) for o in story.outs)
        (welcome,) = [m for m in story.said if isinstance(m, wire.Welcome)]
        spool.resume(welcome.resumes)
        story.renew()

    for step in steps:
        story.now += MS
        if step == "picture":
            made += 1
            seq = spool.next_seq(ONE)
            spool.add(Picture(ONE, seq, story.now + SKEW, False, False, 64, 64, b"%d" % made), story.now)
        elif step == "send":
            send()
        elif step == "cut":
            reconnect()
        elif step == "lose":
            spool.to_send()  # written into a socket that is already dead
            reconnect()
        elif arrived:
            for out in story.link.acknowledge(ONE, arrived[-1].seq):
                assert isinstance(out, Say)
                assert isinstance(out.message, wire.Received)
                spool.safe(out.message.recording, out.message.seq)
    spool.add(wire.CaptureStopped(ONE, spool.next_seq(ONE), story.now + SKEW, CaptureEnd.ORDERED), story.now)
    while send():
        pass
    assert [p.data for p in arrived] == [b"%d" % n for n in range(1, made + 1)]
    for out in story.link.acknowledge(ONE, made):
        assert isinstance(out, Say)
        assert isinstance(out.message, wire.Received)
        spool.safe(out.message.recording, out.message.seq)
    if made:
        assert spool.held() == ()
        assert spool.size_bytes == 0
