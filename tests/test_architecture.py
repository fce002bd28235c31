"""Holds the layers (docs/architecture.md): read from the sources themselves, so that no import escapes by being late.

Imports point down only: words < rules < cores < adapters < composition root. Words, rules and cores do no I/O. Adapters
of different areas do not import each other: `app.py` joins them. `av` and `websockets` have two homes each. The
workstation client takes from `pbx_bridge` only what is marked shared.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pbx_bridge", "workstation_client")


class Layer(IntEnum):
    """Lower may not import higher."""

    WORDS = 0
    RULES = 1
    CORE = 2
    ADAPTER = 3
    ROOT = 4


LAYERS: tuple[tuple[str, Layer], ...] = (
    (r"pbx_bridge\.(ids|errors|durable|listening|memory|wire\w*|age\w*|config_\w+)", Layer.WORDS),
    (r"pbx_bridge\.telephony\.pbx", Layer.WORDS),
    (r"pbx_bridge\.calls\.(facts|events|reasons)", Layer.WORDS),
    (r"pbx_bridge\.training\.(plans|notice_texts|standing)", Layer.WORDS),
    (r"pbx_bridge\.stations\.events|pbx_bridge\.media\.outcome", Layer.WORDS),
    (r"(pbx_bridge|workstation_client)(\.\w+)*\.__init__|pbx_bridge|workstation_client", Layer.WORDS),
    (r"pbx_bridge\.(calls|training|archive|rights)\.rules", Layer.RULES),
    (r"pbx_bridge\.rights\.(facts|figures|record|page|words|decide)", Layer.CORE),
    (r"pbx_bridge\.catalogue\.(enrolled|history|csv_people)", Layer.RULES),
    (r"pbx_bridge\.calls\.lists|pbx_bridge\.telephony\.numbers", Layer.RULES),
    (r"pbx_bridge\.(programs|window_rules)|workstation_client\.guard", Layer.RULES),
    (r"pbx_bridge\.(calls\.permit|training\.(decision|notices))", Layer.RULES),
    (r"pbx_bridge\.calls\.\w+", Layer.CORE),
    (r"pbx_bridge\.telephony\.(\w+\.)?(translate\w*|stamps)", Layer.CORE),
    (r"pbx_bridge\.telephony\.(rtp_watch|freeswitch\.(bindings|esl_codec|ticks|stereo))", Layer.CORE),
    (r"pbx_bridge\.stations\.(link|inflow|clockmap|meter|roster|handshake)", Layer.CORE),
    (r"workstation_client\.(agent|spool|pacing|keyframes|quarantine|capture\.painted)", Layer.CORE),
    (
        r"pbx_bridge\.media\.(timeline|spans|pictures|heard|leg|samples|voice|montage|vp9|webm|mend|ebml|packets|chapters)",
        Layer.CORE,
    ),
    (
        r"pbx_bridge\.archive\.(manifest|release|backlog|clock|retention|sentences|(keeper|recording|retention|opening|office|audit|rights)_wire)|pbx_bridge\.(access\.(proof|roles|approvals|proposals|comparing|refused)|portal\.words)",
        Layer.CORE,
    ),
    (r"pbx_bridge\.access\.(audit_chain|checkpoint)", Layer.CORE),
    (r"pbx_bridge\.portal\.(views|proofs|web\.(passphrases|attempts|plots))", Layer.CORE),
    (
        r"pbx_bridge\.(app\w*|cli\w*|__main__|trainer\.(cli|__main__))|workstation_client\.(cli|__main__)",
        Layer.ROOT,
    ),
)
"""First match wins; what matches nothing is an adapter."""

JOINTS = (
    (r".*", r"pbx_bridge\.archive\.durable", "a leaf: writes one small file whole, for whoever keeps one"),
    (
        r"pbx_bridge\.portal\.\w+",
        r"pbx_bridge\.archive\.keeper_link",
        "the keeper's socket is all a portal may ask",
    ),
    (
        r"pbx_bridge\.portal\.\w+",
        r"pbx_bridge\.archive\.catalogue",
        "where ciphertext lies, to serve its ranges",
    ),
    (
        r"pbx_bridge\.archive\.exporting",
        r"pbx_bridge\.media\.excerpt",
        "a copy is made where the recording's key is, and nowhere else",
    ),
    (
        r"pbx_bridge\.trainer\.\w+",
        r"pbx_bridge\.archive\.sealed",
        "one reader of the sealed form for both ends",
    ),
)
"""The only ways from one adapter to another's area, each with its reason: from, to, why."""
FREE_OF_IO = (Layer.RULES, Layer.CORE)
IO = re.compile(
    r"""(aiohttp|asyncio|concurrent|ctypes|fcntl|glob|http|io|keyring|logging|multiprocessing|os|panoramisk|pathlib|random
    |secrets|select|selectors|shutil|signal|socket|sqlite3|ssl|starlette|structlog|subprocess|sys|tempfile|threading|time
    |urllib\.request|uvicorn|xcffib)(\..*)?""",
    re.VERBOSE,
)
"""A decision that needs one of these is in the wrong place: its answer belongs into the fact that is decided upon."""

HOMES = {
    "av": re.compile(r"pbx_bridge\.media\.opus|workstation_client\.encoder"),
    "websockets": re.compile(r"pbx_bridge\.stations\.server|workstation_client\.link"),
    "panoramisk": re.compile(r"pbx_bridge\.telephony\.asterisk\.\w+"),
    "ESL": re.compile(r"pbx_bridge\.telephony\.freeswitch\.esl_python"),
    "sqlalchemy": re.compile(r"pbx_bridge\.catalogue(\.\w+)+"),
    "alembic": re.compile(r"pbx_bridge\.catalogue(\.\w+)+"),
}
OF_ONE_PBX = re.compile(r"pbx_bridge\.telephony\.(asterisk|freeswitch)\.\w+")
KNOW_A_PBX = re.compile(r"pbx_bridge\.(app_(pbx|doctor_pbx|features|asterisk\w*|freeswitch\w*))")
"""Where one PBX is named; everyone else asks telephony/pbx.py, so that a second PBX changes nothing above it."""
SHARED = re.compile(r"pbx_bridge\.(wire\w*|age\w*|ids|errors|memory|programs)")
OF_THE_SERVER = {
    "alembic",
    "aiohttp",
    "argon2",
    "cryptography",
    "jinja2",
    "panoramisk",
    "pydantic",
    "pyotp",
    "rich",
    "segno",
    "sqlalchemy",
    "starlette",
    "structlog",
    "typer",
    "uvicorn",
    "zxcvbn",
}
NOT_ON_A_WORKSTATION = OF_THE_SERVER | {"numpy"}
TRAINER = re.compile(r"pbx_bridge\.trainer\.\w+")
NOT_ON_A_TRAINERS_MACHINE = NOT_ON_A_WORKSTATION | {"av", "websockets", "xcffib"}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str, *, at_run_time: bool = False) -> Iterator[str]:
    """Every module that `name` imports, wherever in its source; for `from package import module` the module itself."""
    nodes = list(ast.walk(ast.parse(MODULES[name].read_text())))
    if at_run_time:
        guarded = [
            inside for node in nodes if isinstance(node, ast.If) for inside in node.body if _for_types(node)
        ]
        skipped = {id(deep) for inside in guarded for deep in ast.walk(inside)}
        nodes = [node for node in nodes if id(node) not in skipped]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: write imports in full, not relative ones"
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in MODULES else base


def _for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def layer(name: str) -> Layer:
    return next((found for pattern, found in LAYERS if re.fullmatch(pattern, name)), Layer.ADAPTER)


def area(name: str) -> str:
    """The package a module belongs to; a module on its own is its own area. The keeper's process has two packages."""
    parts = name.split(".")
    whole = ".".join(parts[:2]) if parts[0] == "pbx_bridge" else parts[0]
    return "pbx_bridge.archive" if whole == "pbx_bridge.access" else whole


def joint(name: str, other: str) -> bool:
    return any(re.fullmatch(start, name) and re.fullmatch(end, other) for start, end, _ in JOINTS)


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    upward = {other for other in imports(name) if other in MODULES and layer(other) > layer(name)}
    assert not upward, f"{name} ({layer(name).name}) imports what lies above it"


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) is Layer.ADAPTER])
def test_adapters_do_not_import_each_other(name: str) -> None:
    others = {
        other
        for other in imports(name)
        if other in MODULES
        and layer(other) is Layer.ADAPTER
        and area(other) != area(name)
        and not joint(name, other)
    }
    assert not others, f"{name} imports an adapter of another area: join them in app.py"


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) in FREE_OF_IO])
def test_cores_do_no_io(name: str) -> None:
    done = {other for other in imports(name) if IO.fullmatch(other)}
    assert not done, f"{name} decides, it must not do"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_at_home(library: str) -> None:
    strangers = {
        name
        for name in MODULES
        if library in map(top, imports(name, at_run_time=True)) and not HOMES[library].fullmatch(name)
    }
    assert not strangers, f"{library} is imported outside its home"


def test_one_pbx_is_known_only_behind_the_seam() -> None:
    taken = {name: set(filter(OF_ONE_PBX.fullmatch, imports(name))) for name in MODULES}
    outside = {name for name, found in taken.items() if found and not OF_ONE_PBX.fullmatch(name)}
    assert outside, "a control: somebody composes the adapters"
    assert not {name for name in outside if not KNOW_A_PBX.fullmatch(name)}
    for name in filter(OF_ONE_PBX.fullmatch, MODULES):
        own = name.rpartition(".")[0]
        assert not {other for other in taken[name] if other.rpartition(".")[0] != own}, (
            f"{name}: the other PBX"
        )


@pytest.mark.parametrize("name", [name for name in MODULES if top(name) == "workstation_client"])
def test_the_client_imports_only_what_is_shared(name: str) -> None:
    taken = {other for other in imports(name) if top(other) == "pbx_bridge"}
    assert not {other for other in taken if not SHARED.fullmatch(other)}
    assert not NOT_ON_A_WORKSTATION & set(map(top, imports(name)))


@pytest.mark.parametrize("name", [name for name in MODULES if SHARED.fullmatch(name)])
def test_what_is_shared_needs_only_what_is_shared(name: str) -> None:
    taken = {other for other in imports(name) if top(other) in PACKAGES}
    assert not {other for other in taken if not SHARED.fullmatch(other)}
    assert not NOT_ON_A_TRAINERS_MACHINE & set(map(top, imports(name)))


@pytest.mark.parametrize("name", [name for name in MODULES if TRAINER.fullmatch(name)])
def test_a_trainers_machine_needs_nothing_of_the_server(name: str) -> None:
    """All that these modules import, and what that imports in turn, runs with the base install."""
    reached, waiting = set[str](), [name]
    while waiting:
        found = set(imports(waiting.pop())) - reached
        reached |= found
        waiting += [other for other in found if other in MODULES]
    assert not NOT_ON_A_TRAINERS_MACHINE & set(map(top, reached))


OF_BYTES = ("pbx_bridge/telephony/freeswitch/esl_codec.py", "pbx_bridge/access/audit_read.py")
"""They ask bytes, of which only ASCII's digits are digits."""
ANY_SCRIPT = {"isdigit", "isdecimal", "isnumeric", "isalnum"}


def lax(source: str) -> list[int]:
    """Lines that take other scripts' digits or letters for our own: `int` reads them, and nobody else does."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"\\[dw]", node.value)
        ):
            found.append(node.lineno)
        elif isinstance(node, ast.stmt) and not hasattr(node, "body"):
            asked = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
            found += [node.lineno] * bool(asked & ANY_SCRIPT and "isascii" not in asked)
        elif isinstance(node, ast.If | ast.While):
            asked = {one.attr for one in ast.walk(node.test) if isinstance(one, ast.Attribute)}
            found += [node.lineno] * bool(asked & ANY_SCRIPT and "isascii" not in asked)
    return found


def test_digits_are_those_of_ascii() -> None:
    """`\\d` and `isdigit` take those of every script: a date, a number, a length in them is none that anybody else reads."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = {path.relative_to(ROOT).as_posix(): lax(path.read_text()) for path in paths}
    assert {name: lines for name, lines in names.items() if lines and name not in OF_BYTES} == {}
    assert all(names[name] for name in OF_BYTES), "no exception that is none"
    for bad in ('X = r"\\d{4}"', "X = text.isdigit()", "if not text.isdecimal(): pass"):
        assert lax(bad) == [1], bad
    assert lax('X = r"[0-9]{4}"') == lax("X = text.isascii() and text.isdigit()") == []


def test_the_tables_can_fail() -> None:
    """A control: the layers and homes above do tell right from wrong."""
    assert layer("pbx_bridge.calls.session") < layer("pbx_bridge.stations.server") < layer("pbx_bridge.app")
    assert layer("pbx_bridge.telephony.asterisk.translate") is Layer.CORE
    assert area("pbx_bridge.media.merge") != area("pbx_bridge.stations.server")
