"""What the person reads before they acknowledge: the bridge's text, then what this workstation will obey (P14).

The second part is made from the notice's rules alone, field by field: they are what is filmed, whatever the text says. It
knows the notice and the person's language, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from pbx_bridge import wire
from workstation_client.speech import say


def page(notice: wire.Notice) -> str:
    """The notice as one page, in the language of the session; the text stays in the notice's own."""
    return "\n".join(_lines(notice))


def _lines(notice: wire.Notice) -> Iterator[str]:
    yield notice.text
    yield ""
    yield say("What this workstation will film, taken from the rules it obeys and not from the text above:")
    for rule in notice.applications:
        yield ""
        yield rule.name
        yield "  " + say("program: {executable}").format(executable=rule.executable)
        if rule.main_program is not None:
            yield "  " + say("which runs, or shows: {main_program}").format(main_program=rule.main_program)
        yield "  " + say("window class: {wm_class}").format(wm_class=rule.wm_class)
        if rule.title is None:
            yield "  " + say("window title: any")
        else:
            yield "  " + say("window title, only where this pattern fits: {title}").format(title=rule.title)
        if rule.sha256 is None:
            yield "  " + say("SHA-256: not fixed, another version of the program may be filmed too")
        else:
            yield f"  SHA-256: {rule.sha256}"
        for mask in rule.masks:
            place = f"{mask.x}, {mask.y}, {mask.width} x {mask.height}"
            yield "  " + say("always hidden: {place}").format(place=place)
        for pattern in rule.pause_titles:
            yield "  " + say("paused while a window title fits: {pattern}").format(pattern=pattern)
    if not notice.applications:
        yield say("nothing: no application is named")
    minutes, seconds = divmod(notice.ceiling_s, 60)
    yield ""
    yield say("at most {fps} pictures a second").format(fps=notice.fps)
    yield say("at most {minutes} min {seconds} s of one call").format(minutes=minutes, seconds=seconds)
