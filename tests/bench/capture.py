"""What filming one window costs: processor, memory, start and stop, beside `ffmpeg -f x11grab` in the same run.

`python -m tests.bench.capture [--seconds N] [--json FILE]`. Both record the same 1920x1080 window at 10 pictures a second
with the same encoder and options. Processor time is the recording process's own, user and system.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pbx_bridge.wire import ApplicationRule
from tests.bench.text_quality import size_beside_x264
from tests.capture.filming import PROGRAMS, Station
from tests.rig.desktop import Desktop
from tests.rig.install import SYSTEM_PYTHON, install
from tests.rig.window_hand import WindowHand

SIZE = (1920, 1080)
FPS = 10
MODES = ("busy", "caret", "static")
TARGETS = {"busy": 0.7, "caret": 0.25, "static": 0.08}
RSS_MB, IDLE_MB = 260, 90
SIZE_TARGET = 0.4
STARTS = 20
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-tune-content", "screen", "-crf", "32",
       "-b:v", "0", "-lag-in-frames", "0", "-tile-columns", "0", "-threads", "1", "-pix_fmt", "yuv420p")  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--only", choices=("cpu", "start", "size"))
    chosen = arguments.parse_args(argv)
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        desktop = stack.enter_context(Desktop(size=SIZE, window_manager=False))
        bench = stack.enter_context(Bench(desktop))
        if chosen.only in (None, "cpu"):
            found["idle_mb"] = bench.idle_mb()
            found["cpu"] = {mode: bench.cost(mode, chosen.seconds) for mode in MODES}
        if chosen.only in (None, "start"):
            found["start"] = {
                kind: bench.starts(expected=kind == "expected") for kind in ("warm", "expected")
            }
        if chosen.only in (None, "size"):
            with bench.window("busy"):
                found["size"] = size_beside_x264(desktop, chosen.seconds)
    report(found)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=1))


class Bench:
    """The window programs and the recorder on one desktop, installed as at a site."""

    def __init__(self, desktop: Desktop) -> None:
        self.desktop, self.installed = desktop, install()
        self.folder = Path(tempfile.mkdtemp(prefix="pbx-bridge-bench-", dir="/opt"))
        self.folder.chmod(0o755)
        for program in (PROGRAMS / "station.py", Path(__file__).parent / "programs/text_window.py"):
            shutil.copyfile(program, self.folder / program.name)
        self.program = self.folder / "text_window.py"
        self.rule = ApplicationRule("text", str(SYSTEM_PYTHON), str(self.program), "Textwindow", None, None)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def window(self, mode: str) -> Iterator[None]:
        process = self.desktop.spawn([SYSTEM_PYTHON, self.program, mode, f"{SIZE[0]}x{SIZE[1]}+0+0"])
        with WindowHand(self.desktop) as hand:
            hand.find("Textwindow")
        try:
            yield
        finally:
            self.desktop.end(process)

    def station(self) -> Station:
        return Station(self.desktop, self.installed.python, self.folder / "station.py")

    def idle_mb(self) -> float:
        with self.station() as station:
            station.tell("warm")
            threading.Event().wait(1.0)
            return station.figures()["rss_mb"]

    def cost(self, mode: str, seconds: float) -> dict[str, float]:
        """Both at the same time, so that both see the same pictures and the same other load."""
        with self.window(mode), self.station() as station, self.ffmpeg() as theirs:
            station.start(self.rule, fps=FPS)
            station.wait_later(2.0)
            count, before, ffmpeg = len(station.shots), station.figures(), process_s(theirs.pid)
            begun = time.monotonic()
            threading.Event().wait(seconds)
            after, used, took = station.figures(), process_s(theirs.pid) - ffmpeg, time.monotonic() - begun
            shots = station.shots[count:]
            assert theirs.poll() is None, "ffmpeg ended by itself"
            assert station.stop()["reason"] == "ordered", "the recording ended by itself"
        ours = after["cpu_s"] - before["cpu_s"]
        return {
            "cpu": ours / took,
            "ffmpeg_cpu": used / took,
            "ratio": ours / used,
            "rss_mb": after["rss_mb"],
            "peak_mb": after["peak_mb"],
            "fps": len(shots) / took,
            "kb_s": sum(len(shot.data) for shot in shots) / took / 1e3,
        }

    @contextlib.contextmanager
    def ffmpeg(self) -> Iterator[subprocess.Popen[bytes]]:
        size = f"{SIZE[0]}x{SIZE[1]}"
        grab = ("-f", "x11grab", "-framerate", str(FPS), "-video_size", size, "-draw_mouse", "0")
        source = (*grab, "-i", self.desktop.display)
        process = self.desktop.spawn(
            ["ffmpeg", "-nostdin", "-loglevel", "error", *source, *VP9, "-f", "null", "-"]
        )
        try:
            yield process
        finally:
            self.desktop.end(process)

    def starts(self, *, expected: bool) -> dict[str, dict[str, float]]:
        """Milliseconds from the order to the recorder, with a whole busy window of 1920x1080."""
        kinds: dict[str, list[float]] = {"first picture shows": [], "first packet is here": [], "stopped": []}
        with self.window("busy"), self.station() as station:
            station.tell("warm")
            for _ in range(STARTS):
                if expected:
                    station.tell("expect")
                    threading.Event().wait(0.5)
                count, events = len(station.shots), len(station.events)
                asked = time.monotonic_ns()
                station.start(self.rule, fps=FPS)
                first = station.wait_shot("the first picture", lambda shot: True, after=count)
                kinds["first picture shows"].append((first.pts_ns - asked) / 1e6)
                kinds["first packet is here"].append((first.came_ns - asked) / 1e6)
                station.wait_later(0.3)
                asked = time.monotonic_ns()
                station.tell("stop")
                stopped = station.wait("Stopped", after=events)
                kinds["stopped"].append((stopped["at_ns"] - asked) / 1e6)
        return {
            kind: {"median": statistics.median(times), "p95": sorted(times)[int(len(times) * 0.95) - 1]}
            for kind, times in kinds.items()
        }


def process_s(pid: int) -> float:
    """User and system time of a process, all threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(found: dict[str, Any]) -> None:
    if "cpu" in found:
        print(f"One window of {SIZE[0]}x{SIZE[1]}, {FPS} pictures a second, VP9; processor: part of one core")
        names = ("ours", "ffmpeg", "ratio", "target", "RSS MB", "fps", "kB/s")
        print(f"{'window':8}" + "".join(f"{name:>8}" for name in names))
        for mode, row in found["cpu"].items():
            print(
                f"{mode:8}{row['cpu']:8.3f}{row['ffmpeg_cpu']:8.3f}{row['ratio']:8.2f}{TARGETS[mode]:8.2f}"
                f"{row['rss_mb']:8.0f}{row['fps']:8.1f}{row['kb_s']:8.1f}"
            )
        print(
            f"memory while recording: target {RSS_MB} MB; idle {found['idle_mb']:.0f} MB, target {IDLE_MB} MB"
        )
    if "start" in found:
        for kind, rows in found["start"].items():
            for what, times in rows.items():
                print(f"{kind:8} {what:22} median {times['median']:6.1f} ms   p95 {times['p95']:6.1f} ms")
    if "size" in found:
        row = found["size"]
        print(f"same text, same SSIM of text ({row['ssim']:.4f}): {row['ours_mb_min']:.1f} MB/min, x264 superfast"
              f" {row['x264_mb_min']:.1f} MB/min, ratio {row['ratio']:.2f}, target {SIZE_TARGET}")  # fmt: skip


if __name__ == "__main__":
    main()
