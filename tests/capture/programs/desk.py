"""A business application in Tk for the capture tests: blue, with a counter that never stands still. Never red.

Orders as lines on stdin: dialog | close-dialog | menu | close-menu | title TEXT | flash | private | customer | second |
secret X Y WIDTH HEIGHT | dialog-title TEXT.
`--still` draws no counter. `flash` answers with the CLOCK_MONOTONIC nanoseconds at which it was painted; `private` turns
red and says so in the title 100 ms later, as programs do; `customer` takes both back; `second` opens another window like
the first; `secret` shows something red at that place of the window (negative: from its far edge), over everything in it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tkinter as tk


class Desk:
    def __init__(self) -> None:
        arguments = argparse.ArgumentParser()
        arguments.add_argument("--geometry", default="480x360+100+100")
        arguments.add_argument("--class-name", default="Desk")
        arguments.add_argument("--colour", default="#2040c0")
        arguments.add_argument("--title", default="Desk")
        arguments.add_argument("--still", action="store_true")
        chosen = arguments.parse_args()
        self.root = tk.Tk(className=chosen.class_name)
        self.colour = chosen.colour
        self.root.title(chosen.title)
        self.root.geometry(chosen.geometry)
        self.root.configure(background=chosen.colour)
        self.label = tk.Label(self.root, text="0", fg="white", bg=chosen.colour, font=("fixed", 20))
        self.label.pack(anchor="nw")
        self.count = 0
        self.dialog: tk.Toplevel | None = None
        self.menu = tk.Menu(self.root, tearoff=False, background="#00c0c0")
        self.menu.add_command(label="one")
        self.menu.add_command(label="two")
        self.root.createfilehandler(sys.stdin, tk.READABLE, self.read)
        if not chosen.still:
            self.tick()

    def tick(self) -> None:
        self.count += 1
        self.label.configure(text=str(self.count))
        self.root.after(50, self.tick)

    def read(self, *_: object) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.root.deletefilehandler(sys.stdin)
        for line in data.decode().splitlines():
            self.obey(line)

    def obey(self, line: str) -> None:
        match line.split(maxsplit=1):
            case ["dialog"]:
                self.dialog = tk.Toplevel(self.root, background="#00c000")
                self.dialog.transient(self.root)
                self.dialog.geometry(
                    f"160x120+{self.root.winfo_rootx() + 100}+{self.root.winfo_rooty() + 120}"
                )
            case ["close-dialog"] if self.dialog is not None:
                self.dialog.destroy()
            case ["menu"]:
                self.menu.post(self.root.winfo_rootx() + 200, self.root.winfo_rooty() + 200)
            case ["close-menu"]:
                self.menu.unpost()
            case ["title", text]:
                self.root.title(text.strip())
            case ["flash"]:
                self.count += 1
                self.label.configure(text="#" * (self.count % 12))
                self.root.update_idletasks()
                self.root.winfo_pointerx()
                print(time.monotonic_ns(), flush=True)
            case ["private"]:
                self.root.configure(background="#ff0000")
                self.label.configure(bg="#ff0000")
                self.root.update_idletasks()
                self.root.winfo_pointerx()  # painted before the time begins to run
                self.root.after(100, lambda: self.root.title("Private"))
            case ["customer"]:
                self.root.configure(background=self.colour)
                self.label.configure(bg=self.colour)
                self.root.title("Customer 1")
            case ["secret", numbers]:
                x, y, width, height = map(int, numbers.split())
                secret = tk.Label(self.root, background="#ff0000", text="4970 1012 3456 7890")
                secret.place(
                    x=x, y=y, relx=float(x < 0), rely=float(y < 0), width=width, height=height, anchor="nw"
                )
            case ["dialog-title", text] if self.dialog is not None:
                self.dialog.title(text.strip())
            case ["second"]:
                self.second = tk.Toplevel(self.root, background="#c0c000", class_="Desk")
                self.second.geometry("300x200+500+400")


if __name__ == "__main__":
    Desk().root.mainloop()
