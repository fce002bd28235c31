"""The catalogue as the portal's pages ask it: read when somebody wrote to it, and not at each page."""

from __future__ import annotations

import threading

from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import Enrolled, sound


class Current:
    """What is sound of the catalogue, now. May be asked from several threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._turn = catalogue, threading.Lock()
        self._watch = catalogue.watch()
        self._known: Enrolled | None = None

    def __call__(self) -> Enrolled:
        """Raises: OperatorError."""
        with self._turn:
            if self._watch.changed() or self._known is None:
                self._known = sound(self._catalogue.enrolled())
            return self._known
