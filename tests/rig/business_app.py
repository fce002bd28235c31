"""A small order desk in Tk: the business application of the demo and of the live tests.

It runs as `/usr/bin/python3 <root-owned dir>/business_app.py` (P3: the rule names this file, not the interpreter) and
imports nothing but the standard library and Tk. Above its form it shows a strip of black and white blocks that says
which second of CLOCK_MONOTONIC it is, so that a film of it can be checked against a clock; beside it lies a square that
flashes on order. It uses no red: every red pixel in a film comes from somewhere else.

Orders come as lines on a Unix socket (`--control`): flash [MS] | dialog | card NUMBER TITLE | close-dialog | busy on|off |
title TEXT | stamp X Y WIDTH HEIGHT | no-stamp | move X Y [W H] | iconify | show | quit. Each is answered by one line:
`ok <CLOCK_MONOTONIC ns after drawing>` or `error <why>`.
"""

from __future__ import annotations

import argparse
import binascii
import contextlib
import os
import socket
import sys
import time
import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import ttk

WM_CLASS = "Orderdesk"
"""Tk keeps one capital letter, whatever is asked for."""
BLOCK_PX = 16
"""Side of one block: two of VP9's smallest transform blocks, readable after 4:2:0 and any sane quantiser."""
SYNC = (1, 0, 1, 0, 1, 1, 0, 0)
CODE_BLOCKS = len(SYNC) + 16 + 16
FLASH_PX = 64
"""The flash square: its left edge is one block right of the strip, its top edge the strip's."""
GREEN = "#00c800"
"""The dialog's panel, so that a film can show whether the application's own dialog was recorded."""

CUSTOMERS = (
    ("10042", "Bäckerei Sommer", "Lyon", "3 open"),
    ("10043", "Atelier Morel", "Nantes", "1 open"),
    ("10057", "Imprimerie Daudet", "Lille", "none"),
    ("10061", "Garage Pellerin", "Tours", "2 open"),
    ("10066", "Fleurs & Co", "Dijon", "none"),
    ("10071", "Cabinet Rousse", "Metz", "1 open"),
)
NOTE = (
    "Customer asks for delivery before noon. Two pallets, ramp at the rear. Invoice as last time, 30 days. "
)


def code_bits(second: int) -> tuple[int, ...]:
    """The strip's blocks, left to right, 1 is white: a fixed start, 16 bits of the second, 16 bits of checksum."""
    counter = (second & 0xFFFF).to_bytes(2, "big")
    check = binascii.crc_hqx(counter, 0x1D0F).to_bytes(2, "big")
    return SYNC + tuple(byte >> bit & 1 for byte in counter + check for bit in range(7, -1, -1))


class OrderDesk:
    """The window and what it is told to do. One thread: Tk's."""

    def __init__(self, geometry: str) -> None:
        self.root = tk.Tk(className=WM_CLASS)
        self.root.title("Order desk - Atelier Morel (10043)")
        self.root.geometry(geometry)
        self.root.configure(background="#dfe5ea")
        ttk.Style(self.root).theme_use("clam")
        self.dialog: tk.Toplevel | None = None
        self.stamp = tk.Label(self.root, background=GREEN)
        """Something in the dialogs' green at a place of the window; negative x, y count from its far edge."""
        self.busy = False
        self.typed = 0
        self._strip()
        self._desk()
        self._tick()
        self._type()

    def _strip(self) -> None:
        width = (CODE_BLOCKS + 3) * BLOCK_PX + FLASH_PX
        self.strip = tk.Canvas(
            self.root, width=width, height=FLASH_PX + 16, background="#808080", highlightthickness=0
        )
        self.strip.pack(anchor="nw", padx=8, pady=8)
        left = top = BLOCK_PX // 2
        self.blocks = [
            self.strip.create_rectangle(x, top, x + BLOCK_PX, top + 2 * BLOCK_PX, width=0, fill="black")
            for x in range(left, left + CODE_BLOCKS * BLOCK_PX, BLOCK_PX)
        ]
        x = left + (CODE_BLOCKS + 1) * BLOCK_PX
        self.lamp = self.strip.create_rectangle(x, top, x + FLASH_PX, top + FLASH_PX, width=0, fill="black")
        self.strip.create_text(
            left,
            top + 3 * BLOCK_PX,
            anchor="w",
            text="Order desk 4.2    connected    trainee view",
            fill="white",
        )

    def _desk(self) -> None:
        panes = ttk.PanedWindow(self.root, orient="horizontal")
        panes.pack(fill="both", expand=True, padx=8, pady=(0, 8))
        table = ttk.Treeview(panes, columns=("number", "name", "town", "orders"), show="headings", height=8)
        for column, width in (("number", 70), ("name", 160), ("town", 80), ("orders", 70)):
            table.heading(column, text=column.capitalize())
            table.column(column, width=width, stretch=column == "name")
        for row in CUSTOMERS:
            table.insert("", "end", values=row)
        table.selection_set(table.get_children()[1])
        panes.add(table, weight=2)
        form = ttk.Frame(panes, padding=8)
        for line, (label, value) in enumerate(
            (("Article", "Oak board 27 mm"), ("Quantity", "48"), ("Price", "12.40"), ("Delivery", "Thursday"))
        ):
            ttk.Label(form, text=label).grid(row=line, column=0, sticky="w", pady=3)
            entry = ttk.Entry(form, width=28)
            entry.insert(0, value)
            entry.grid(row=line, column=1, sticky="we", pady=3)
        ttk.Label(form, text="Call note").grid(row=4, column=0, sticky="nw", pady=3)
        self.note = tk.Text(form, width=40, height=9, wrap="word", background="white", foreground="#102030")
        self.note.grid(row=4, column=1, sticky="nswe", pady=3)
        ttk.Button(form, text="Save order").grid(row=5, column=1, sticky="e", pady=6)
        form.columnconfigure(1, weight=1)
        form.rowconfigure(4, weight=1)
        panes.add(form, weight=3)

    def _tick(self) -> None:
        """Paints the second that has just begun; the next call is due one millisecond into the next one."""
        now_ns = time.monotonic_ns()
        for block, bit in zip(self.blocks, code_bits(now_ns // 1_000_000_000), strict=True):
            self.strip.itemconfigure(block, fill="white" if bit else "black")
        self.root.after(1001 - now_ns // 1_000_000 % 1000, self._tick)

    def _type(self) -> None:
        """Somebody types a call note; busy, whole lines come and the text scrolls."""
        step = NOTE[self.typed % len(NOTE)] if not self.busy else f"{self.typed:5d} {NOTE}\n"
        self.typed += 1
        if self.typed % 1000 == 0:
            self.note.delete("1.0", "end")
        self.note.insert("end", step)
        self.note.see("end")
        self.root.after(60 if self.busy else 180, self._type)

    def _painted(self) -> str:
        """Draws what is due, waits until the X server has done it, and tells when that was."""
        self.root.update_idletasks()
        self.root.winfo_pointerx()  # a round trip to the X server: what was sent before it is painted
        return f"ok {time.monotonic_ns()}"

    def obey(self, line: str) -> str:
        """Carries out one order of the control socket and says when the change was on the screen."""
        match line.split(maxsplit=1):
            case ["flash", *ms]:
                self.strip.itemconfigure(self.lamp, fill="white")
                self.root.after(
                    int(ms[0]) if ms else 300, lambda: self.strip.itemconfigure(self.lamp, fill="black")
                )
            case ["dialog"]:
                self._open_dialog()
            case ["card", text]:
                number, title = text.split(maxsplit=1)
                self._open_card(number, title)
            case ["close-dialog"]:
                if self.dialog is not None:
                    self.dialog.destroy()
                self.dialog = None
            case ["stamp", numbers]:
                x, y, width, height = map(int, numbers.split())
                self.stamp.place(x=x, y=y, relx=float(x < 0), rely=float(y < 0), width=width, height=height)
                self.stamp.lift()
            case ["no-stamp"]:
                self.stamp.place_forget()
            case ["busy", ("on" | "off") as state]:
                self.busy = state == "on"
            case ["title", text]:
                self.root.title(text)
            case ["move", numbers]:
                x, y, *size = (int(number) for number in numbers.split())
                self.root.geometry((f"{size[0]}x{size[1]}" if size else "") + f"+{x}+{y}")
            case ["iconify"]:
                self.root.iconify()
            case ["show"]:
                self.root.deiconify()
                self.root.lift()
            case ["quit"]:
                self.root.after(10, self.root.destroy)
            case _:
                return f"error there is no order {line!r}"
        return self._painted()

    def _open_card(self, number: str, title: str) -> None:
        """Somebody types a card's number into a dialog of this title, on the dialogs' green."""
        self.dialog = tk.Toplevel(self.root, background=GREEN)
        self.dialog.title(title)
        self.dialog.transient(self.root)
        self.dialog.geometry(f"360x140+{self.root.winfo_rootx() + 240}+{self.root.winfo_rooty() + 220}")
        field = tk.Entry(self.dialog, width=24)
        field.insert(0, number)
        field.pack(pady=40)
        self.dialog.wait_visibility()

    def _open_dialog(self) -> None:
        self.dialog = tk.Toplevel(self.root)
        self.dialog.title("Confirm order")
        self.dialog.transient(self.root)
        self.dialog.geometry(f"320x160+{self.root.winfo_rootx() + 240}+{self.root.winfo_rooty() + 220}")
        tk.Label(self.dialog, text="48 boards, delivery Thursday", background=GREEN).pack(
            fill="both", expand=True
        )
        tk.Button(self.dialog, text="Confirm", command=self.dialog.destroy).pack(pady=8)


def serve_orders(desk: OrderDesk, path: Path) -> socket.socket:
    """Listens on a Unix socket only this user can reach; Tk's own loop calls back, so orders never run in parallel."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o077)
    listener.bind(str(path))
    os.umask(before)
    listener.listen(8)

    def on_line(peer: socket.socket) -> Callable[[object, int], None]:
        def read(_file: object, _mask: int) -> None:
            raw = peer.recv(4096)  # one order is one short line: a longer one is not an order
            if not raw:
                desk.root.tk.deletefilehandler(peer)
                peer.close()
                return
            for line in raw.decode(errors="replace").splitlines():
                try:
                    answer = desk.obey(line)
                except (ValueError, tk.TclError) as error:
                    answer = f"error {error}"
                with contextlib.suppress(OSError):
                    peer.sendall(answer.encode() + b"\n")

        return read

    def on_peer(_file: object, _mask: int) -> None:
        peer, _ = listener.accept()
        desk.root.tk.createfilehandler(peer, tk.READABLE, on_line(peer))

    desk.root.tk.createfilehandler(listener, tk.READABLE, on_peer)
    return listener


def main() -> int:
    """Runs the order desk until it is told to quit or its display goes away."""
    parser = argparse.ArgumentParser(description="A small order desk, for demonstrations and tests.")
    parser.add_argument("--geometry", default="1000x640+80+60", help="WIDTHxHEIGHT+X+Y")
    parser.add_argument("--control", type=Path, help="a Unix socket to take orders on")
    parser.add_argument("--busy", action="store_true", help="text scrolls all the time")
    args = parser.parse_args()
    desk = OrderDesk(args.geometry)
    desk.busy = args.busy
    if args.control:
        serve_orders(desk, args.control)
    desk.root.update()
    print("order desk: ready", flush=True)
    desk.root.mainloop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
