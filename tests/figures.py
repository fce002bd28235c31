"""What tests measured, for the end of the run: in the process that prints, whichever worker found it."""

from __future__ import annotations

FIGURES: dict[str, str] = {}
"""What was measured -> how much."""
