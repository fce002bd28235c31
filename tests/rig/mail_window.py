"""A private mail that jumps in front of the business window in the middle of a call: what must never be recorded.

A program of its own under the same interpreter (so only the main program file tells it from the business application),
with large areas of pure red, the marker that proofs and leak tests look for, and red and black text. It prints
`mail: shown <CLOCK_MONOTONIC ns>` when it is on the screen, and ends on SIGTERM or `--seconds` after that. With `--wait`
it says `mail: waiting` and comes when a line arrives on its standard input: no program is started in the middle of a call.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import tkinter as tk

WM_CLASS = "Privatemail"
RED = "#ff0000"
MAIL = """From: Dr. Keller, Clinic
To: me
Subject: Your results

Please call me back today. The results are
not what we hoped for, do not worry yet.
"""


def main() -> int:
    """Shows the mail in front of everything else until told to end."""
    parser = argparse.ArgumentParser(description="A private mail window, for demonstrations and tests.")
    parser.add_argument("--geometry", default="560x360+260+160", help="WIDTHxHEIGHT+X+Y")
    parser.add_argument("--seconds", type=float, default=0, help="go away by itself after this time")
    parser.add_argument("--wait", action="store_true", help="come only when a line arrives on standard input")
    parser.add_argument("--override-redirect", action="store_true", help="a popup no window manager touches")
    args = parser.parse_args()
    root = tk.Tk(className=WM_CLASS)
    root.title("Inbox (1) - private")
    root.geometry(args.geometry)
    root.configure(background=RED)
    if args.override_redirect:
        root.overrideredirect(True)
    root.attributes("-topmost", True)  # type: ignore[call-overload,unused-ignore]
    tk.Label(root, text="PRIVATE MAIL", background=RED, foreground="white", font=("", 18)).pack(
        fill="x", pady=12
    )
    text = tk.Text(root, background="white", foreground=RED, height=9)
    text.insert("end", MAIL)
    text.pack(fill="both", expand=True, padx=48, pady=(0, 48))
    signal.signal(signal.SIGTERM, lambda *_: root.after_idle(root.destroy))

    def awake() -> None:
        """Tk sees a signal only when its loop turns."""
        root.after(100, awake)

    def show() -> None:
        root.deiconify()
        root.update()
        root.lift()
        root.focus_force()
        root.update()
        print(f"mail: shown {time.monotonic_ns()}", flush=True)
        if args.seconds:
            root.after(int(args.seconds * 1000), root.destroy)

    def on_line(_file: object, _mask: int) -> None:
        root.tk.deletefilehandler(sys.stdin)
        if sys.stdin.readline():
            show()
        else:
            root.destroy()

    awake()
    if args.wait:
        root.withdraw()
        root.update()
        root.tk.createfilehandler(sys.stdin, tk.READABLE, on_line)
        print("mail: waiting", flush=True)
    else:
        show()
    root.mainloop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
