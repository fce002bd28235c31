"""A window full of dense text for the capture benchmark: `busy`, `caret` (a blinking caret and a clock) or `static`.

Arguments: mode, geometry. Busy text repeats a fixed story of 10 s: typing, scrolling as a wheel does (three lines a step),
another page, a moment of reading.
"""

from __future__ import annotations

import random
import sys
import time
import tkinter as tk
from collections.abc import Iterator

STOCK = """order invoice delivery customer pallet article quantity price discount Thursday warehouse note call return
stock Lyon Nantes Lille reminder account contract ramp before noon usual terms 30 days net gross VAT 20.0 % EUR
1,284.50"""
WORDS = tuple(STOCK.split())
LINES = 400
LONGEST_LINE = 200
TYPE_MS, WHEEL_MS, READ_MS = 100, 100, 800


class TextWindow:
    def __init__(self, mode: str, geometry: str) -> None:
        self.random = random.Random(1)
        self.root = tk.Tk(className="Textwindow")
        self.root.geometry(geometry)
        blink = 500 if mode == "caret" else 0
        self.text = tk.Text(
            self.root,
            font=("DejaVu Sans Mono", 10),
            wrap="none",
            borderwidth=0,
            highlightthickness=0,
            background="white",
            foreground="#181818",
            insertontime=500,
            insertofftime=blink,
        )
        self.clock = tk.Label(self.root, text="00:00:00", anchor="e", background="#e8ecf0")
        self.clock.pack(fill="x", side="bottom")
        self.text.pack(fill="both", expand=True)
        self.text.tag_configure("name", foreground="#1040c0")
        self.text.tag_configure("amount", foreground="#a01010")
        for _ in range(LINES):
            self.line()
        self.text.mark_set("insert", "20.end")
        self.text.see("insert")
        self.text.focus_force()
        self.story = self.tell()
        if mode == "busy":
            self.root.after(500, self.go_on)
        if mode in ("busy", "caret"):
            self.tick()

    def line(self) -> None:
        length, end = 0, self.random.randint(LONGEST_LINE // 3, LONGEST_LINE)
        while length < end:
            word = self.random.choice(WORDS)
            tag = "name" if word[0].isupper() else "amount" if word[0].isdigit() else ""
            self.text.insert("end", word + " ", tag)
            length += len(word) + 1
        self.text.insert("end", "\n")

    def tick(self) -> None:
        self.clock.configure(text=time.strftime("%H:%M:%S"))
        self.root.after(1000, self.tick)

    def tell(self) -> Iterator[int]:
        """What happens next, as milliseconds until then."""
        while True:
            for _ in range(25):
                self.text.insert("insert", self.random.choice(WORDS)[0])
                yield TYPE_MS
            for _ in range(30):
                self.text.yview_scroll(3, "units")
                yield WHEEL_MS
            yield READ_MS
            for line in (200, 300, 100, 20):
                self.text.yview(line - 20)
                yield READ_MS
            self.text.mark_set("insert", f"{self.random.randint(5, 40)}.end")

    def go_on(self) -> None:
        self.root.after(next(self.story), self.go_on)


if __name__ == "__main__":
    TextWindow(sys.argv[1], sys.argv[2]).root.mainloop()
