"""Runs a Recorder under the desktop's ordinary user, driven by lines: one JSON order in, events out.

Out: one JSON line for each event; a picture's line is followed by its bytes. `--weaken` makes the capturer deliberately
leaky, for the tests' positive controls only:
    trust    every pixel of a new pixmap is believed, as a naive use of Composite would
    region   the window's place is cut out of the screen
    identity every window is allowed
    masks    no mask is painted
    titles   no title tells of a payment
    quarantine  no picture waits until its title is known
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import resource
import sys
import threading
from typing import Any

import xcffib.xproto

from pbx_bridge.wire import ApplicationRule, Mask
from workstation_client import reel
from workstation_client.capture import x11, x11_canvas, x11_surface
from workstation_client.guard import Allowed
from workstation_client.recorder import Picture, Recorder, RecorderEvent, RecordOrder

_writing = threading.Lock()


def tell(event: RecorderEvent) -> None:
    line = {"event": type(event).__name__, **dataclasses.asdict(event)}
    data = line.pop("data", b"")
    if isinstance(event, Picture):
        line["size"] = len(data)
    say(line, data)


def say(line: dict[str, Any], data: bytes = b"") -> None:
    with _writing:
        sys.stdout.buffer.write(json.dumps(line).encode() + b"\n" + data)
        sys.stdout.buffer.flush()


def figures() -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return {
        "event": "Figures",
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_mb": pages * 4096 / 1e6,
        "peak_mb": used.ru_maxrss / 1e3,
    }


def weaken(how: str) -> None:
    if how == "trust":
        bind = x11_surface.Surface.bind

        def believing(self: x11_surface.Surface) -> bool:
            done = bind(self)
            whole = [xcffib.xproto.RECTANGLE.synthetic(0, 0, self.width, self.height)]
            self._display.fixes.SetRegion(self.trusted, 1, whole)
            return done

        x11_surface.Surface.bind = believing  # type: ignore[method-assign]
    elif how == "region":
        x11_canvas.Canvas.compose = _cut_out  # type: ignore[method-assign,assignment]
    elif how == "masks":
        x11.masked = lambda *_: []  # type: ignore[attr-defined]
    elif how == "titles":
        x11.telling_secrets = lambda *_: ()  # type: ignore[attr-defined]
    elif how == "quarantine":
        reel.TITLE_HOLD_NS = 0  # type: ignore[attr-defined]
    elif how == "identity":
        x11.may_capture = lambda _window, rules: Allowed(rules[0])  # type: ignore[assignment,attr-defined]


def _cut_out(self: x11_canvas.Canvas, layers: Any, *_: Any) -> Any:
    display, window = self._display, layers[0].surface.window
    there = display.core.TranslateCoordinates(window, display.root, 0, 0).reply()
    gc = display.new_id()
    display.core.CreateGC(
        gc, self._pixmap, xcffib.xproto.GC.SubwindowMode, [xcffib.xproto.SubwindowMode.IncludeInferiors]
    )
    display.core.CopyArea(
        display.root, self._pixmap, gc, there.dst_x, there.dst_y, 0, 0, self.width, self.height
    )
    display.core.FreeGC(gc)
    return [(0, 0, self.width, self.height)]


def read_rule(fields: dict[str, Any]) -> ApplicationRule:
    fields["masks"] = tuple(Mask(**mask) for mask in fields["masks"])
    fields["pause_titles"] = tuple(fields["pause_titles"])
    return ApplicationRule(**fields)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--weaken", default="")
    weaken(arguments.parse_args().weaken)
    recorder = Recorder(tell)
    say({"event": "Ready"})
    for line in sys.stdin:
        order = json.loads(line)
        match order.pop("do"):
            case "start":
                rules = tuple(read_rule(rule) for rule in order.pop("rules"))
                recorder.start(RecordOrder(rules=rules, **order))
            case "figures":
                say(figures())
            case "stop":
                recorder.stop()
            case "lock":
                recorder.lock(order["locked"])
            case "import-av":
                import workstation_client.encoder  # noqa: F401
            case name:
                getattr(recorder, name)()
    recorder.close()


if __name__ == "__main__":
    main()
