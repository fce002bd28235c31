"""A real browser plays the recording: lengths, seeking into talk and pause, and the whole of it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from pbx_bridge.media.montage import Mark
from tests.media.rig import CARD_LUMA, T0, WINDOW_LUMA, Cutter, S, play, tone, vp9
from tests.trainer.browser import Browser

PAUSE_S = 12
LOAD = """
new Promise((done, failed) => {
  window.video = document.createElement('video');
  const bytes = Uint8Array.from(atob('%s'), c => c.charCodeAt(0));
  video.src = URL.createObjectURL(new Blob([bytes], {type: 'video/webm'}));
  video.onerror = () => failed(video.error.message);
  video.onloadedmetadata = () => done([video.duration, video.videoWidth, video.videoHeight]);
  document.body.append(video);
})"""
SEEK = """
new Promise(done => {
  video.onseeked = () => {
    const canvas = document.createElement('canvas').getContext('2d');
    canvas.drawImage(video, 0, 0, 16, 9);
    done(canvas.getImageData(8, 4, 1, 1).data[1]);
  };
  video.currentTime = %f;
})"""
PLAY = """
new Promise((done, failed) => {
  video.onended = () => done([video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames]);
  video.playbackRate = 4;
  video.play().catch(failed);
})"""


def call_with_a_pause() -> bytes:
    """Three seconds of talk, a pause, three seconds of talk."""
    cutter, packets = Cutter(), vp9(tuple(WINDOW_LUMA + n for n in range(60)), frozenset({0, 30}))
    for tick in range((6 + PAUSE_S) * 50):
        second, paused = tick / 50, 150 <= tick < 150 + PAUSE_S * 50
        if second == 3:
            cutter.mark(Mark.PAUSE)
            cutter.picture(vp9((CARD_LUMA,))[0], keyframe=True, card=True)
        if second == 3 + PAUSE_S:
            cutter.mark(Mark.TALK)
        cutter.chunk("agent", tone(8000, tick * 160, 160))
        cutter.chunk("customer", tone(8000, tick * 160, 160, 1000))
        if tick % 5 == 0 and not paused:
            number = tick // 5 if second < 3 else tick // 5 - PAUSE_S * 10
            cutter.picture(packets[number], keyframe=number in (0, 30))
        cutter.step()
    cutter.mark(Mark.CLOSE, T0 + (6 + PAUSE_S) * S)
    return cutter.finish()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        started.open("about:blank")
        yield started


def test_a_browser_seeks_and_plays_to_the_end(browser: Browser) -> None:
    file = call_with_a_pause()
    assert browser.evaluate(LOAD % b64encode(file).decode()) == [6 + PAUSE_S, 320, 180]
    pause, window = range(8), range(WINDOW_LUMA - 20, 130)
    places = {
        0.05: window,
        2.9: window,
        3.5: pause,
        3 + PAUSE_S - 0.2: pause,
        3 + PAUSE_S + 0.2: window,
        0.5: window,
    }
    for second, brightness in places.items():
        assert browser.evaluate(SEEK % second) in brightness, second
    browser.evaluate(SEEK % 0)
    at, pictures = browser.evaluate(PLAY)
    assert at == 6 + PAUSE_S
    assert pictures >= len(play(file).pictures) // 2, "a busy machine drops some, not most"
