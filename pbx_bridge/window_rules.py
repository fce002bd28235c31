"""An application as the trainer's plan names it, in the words the workstation obeys.

It copies every field that narrows or hides, one by one: a new field of an application that is forgotten here is a type
error or a failing test, never a wider film.
"""

from __future__ import annotations

from pbx_bridge.training.plans import Application
from pbx_bridge.wire import ApplicationRule, Mask


def application_rule(application: Application) -> ApplicationRule:
    """P3, P7: the rule the trainee acknowledges and the workstation records by."""
    return ApplicationRule(
        name=application.name,
        executable=application.executable,
        main_program=application.main_program,
        wm_class=application.wm_class,
        title=application.title,
        sha256=application.sha256,
        masks=tuple(Mask(mask.x, mask.y, mask.width, mask.height) for mask in application.masks),
        pause_titles=application.pause_titles,
    )
