"""A real, headless Chromium, driven over its debugging pipe (descriptors 3 and 4, JSON ended by NUL)."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ANSWER_WITHIN_S = 30.0


class Browser:
    """One page. As a context it ends."""

    def __init__(self, folder: Path, *flags: str) -> None:
        to_read, self._to = os.pipe()
        self._from, from_write = os.pipe()
        command = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--mute-audio",
            "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder}", *flags, "about:blank",
        ]  # fmt: skip
        # The pipe's ends must be 3 and 4 in the child: a shell puts them there, whatever they are here.
        shell = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "sh", *command]
        self._process = subprocess.Popen(
            shell, pass_fds=(to_read, from_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_write)
        self._waiting = b""
        self._number = 0
        self._session: str | None = None

    def open(self, url: str) -> None:
        """Opens `url` in a new page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        self._next(lambda message: message.get("method") == "Page.domContentEventFired")

    def goes_to(self, url: str) -> None:
        """Goes on to `url` in this page."""
        self.call("Page.navigate", url=url)
        self._next(lambda message: message.get("method") == "Page.domContentEventFired")

    def wait(self, condition: str) -> None:
        """Until a script's expression is true, over page changes too."""
        ends_at = time.monotonic() + ANSWER_WITHIN_S
        script = (
            f"new Promise((d) => {{ const f = () => ({condition}) ? d(true) : setTimeout(f, 20); f(); }})"
        )
        while True:
            try:
                answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, timeout=5_000)
                if answer["result"].get("value") is True:
                    return
            except AssertionError:  # the page went away under the question
                pass
            assert time.monotonic() < ends_at, f"never: {condition}"

    def picture(self, width: int, *, dark: bool = False) -> bytes:
        """The whole page as a PNG."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def evaluate(self, script: str) -> Any:
        """The value of a script in the page; a promise's when it is kept."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda found: found.get("id") == self._number)
        assert "error" not in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result

    def _next(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted; the others are dropped."""
        ends_at = time.monotonic() + ANSWER_WITHIN_S
        while True:
            while b"\0" in self._waiting:
                text, _, self._waiting = self._waiting.partition(b"\0")
                message: dict[str, Any] = json.loads(text)
                if wanted(message):
                    return message
            ready, _, _ = select.select([self._from], [], [], max(0.0, ends_at - time.monotonic()))
            assert ready, "no answer from the browser"
            came = os.read(self._from, 1 << 16)
            assert came, "the browser ended"
            self._waiting += came

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to)
        os.close(self._from)
        self._process.kill()
        self._process.wait()
