"""A business application in Tk for the capture tests: blue, with a counter that never stands still. Never red.

Orders as lines on stdin: dialog | close-dialog | menu | close-menu | title TEXT. `--still` draws no counter.
"""

from __future__ import annotations

import argparse
import sys
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
        self.root.createfilehandler(sys.stdin, tk.READABLE, self.obey)
        if not chosen.still:
            self.tick()

    def tick(self) -> None:
        self.count += 1
        self.label.configure(text=str(self.count))
        self.root.after(50, self.tick)

    def obey(self, *_: object) -> None:
        match sys.stdin.readline().split(maxsplit=1):
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
            case _:
                self.root.deletefilehandler(sys.stdin)


if __name__ == "__main__":
    Desk().root.mainloop()
