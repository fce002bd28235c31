"""How far apart keyframes lie. Pure; it knows counts and bytes.

A player jumps to any place by fetching and decoding what lies between the keyframe before it and the place. Against that
stands the file's size: a keyframe of a page of text weighs as much as 25 steps of its scrolling, or 140 typed characters
(measured: at half the distance of all, such files were 1.5 and 2 times as large); in full motion as much as seven pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERY = 50
"""Pictures that show something new: five seconds of full motion."""
SOON, WORTH, LEAST_BYTES = 20, 2, 64 * 1024
"""From so many new pictures on, as soon as they took so many times the last keyframe's bytes: keyframes stay below a third
of the file. What weighs less in all saves nobody anything."""
SHOWN = 150
"""Pictures, those too that only show the one before again: a jump into two and a half minutes of a still window fetches
their voices, 1.2 MB."""


@dataclass(slots=True)
class SinceKeyframe:
    """What was encoded since the last keyframe."""

    new: int = 0
    shown: int = 0
    taken_bytes: int = 0
    key_bytes: int = 0
    """The last keyframe's own."""

    @property
    def due(self) -> bool:
        """Whether the next picture should be one."""
        worth = self.taken_bytes >= max(WORTH * self.key_bytes, LEAST_BYTES)
        return self.new >= EVERY or self.shown >= SHOWN or (self.new >= SOON and worth)

    def add(self, size: int, *, keyframe: bool, new: bool) -> None:
        """A picture of `size` bytes; `new`: it shows something that the one before did not."""
        if keyframe:
            self.new = self.shown = self.taken_bytes = 0
            self.key_bytes = size
        else:
            self.new, self.shown, self.taken_bytes = self.new + new, self.shown + 1, self.taken_bytes + size
