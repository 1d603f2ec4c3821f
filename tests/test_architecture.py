"""The house's shape, read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nstd

ROOT = Path(nstd.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# What each floor may import of nstd; a name stands for itself and everything below it.
BASE = {
    "nstd",
    "nstd.errors",
    "nstd.domain",
    "nstd.entry",
    "nstd.names",
    "nstd.recipes",
    "nstd.params",
    "nstd.regions",
    "nstd.validation",
    "nstd.strict_yaml",
    "nstd.folders",
    "nstd.sections",
    "nstd.message",
}
FORMS = BASE | {
    "nstd.sidecar",
    "nstd.config",
    "nstd.hook_settings",
    "nstd.telemetry",
}
PICTURES = BASE | {
    "nstd.images",
    "nstd.color",
    "nstd.metadata",
    "nstd.resampling",
    "nstd.encoding",
    "nstd.masks",
}
ALLOWED = {
    "nstd.errors": set(),
    "nstd.domain": BASE | {"nstd.sidecar"},
    "nstd.entry": BASE,
    "nstd.names": set(),
    "nstd.recipes": set(),
    "nstd.params": BASE,
    "nstd.regions": {"nstd.names"},
    "nstd.validation": BASE,
    "nstd.strict_yaml": BASE,
    "nstd.sidecar": BASE,
    "nstd.devices": {"nstd.errors"},
    "nstd.schemas": FORMS,
    "nstd.sections": BASE,
    "nstd.message": set(),
    "nstd.hook_settings": BASE,
    "nstd.folders": BASE,
    "nstd.config": BASE | {"nstd.devices", "nstd.hook_settings"},
    "nstd.telemetry": FORMS,
    "nstd.images": PICTURES,
    "nstd.color": PICTURES,
    "nstd.metadata": PICTURES,
    "nstd.resampling": PICTURES,
    "nstd.encoding": PICTURES,
    "nstd.masks": PICTURES,
    "nstd.manifest": BASE,
    "nstd.notify": set(),
    "nstd.engine": PICTURES | {"nstd.engine"},
    "nstd.spool": FORMS | PICTURES | {"nstd.spool", "nstd.manifest"},
    "nstd.curves": {"nstd.domain"},
    "nstd.sheet": BASE,
    "nstd.report": PICTURES | {"nstd.curves"},
    "nstd.plugins": BASE | {"nstd.plugins"},
    "nstd.render": PICTURES | {"nstd.engine", "nstd.plugins", "nstd.spool.files", "nstd.report"},
    "nstd.worker": PICTURES | {"nstd.engine", "nstd.plugins", "nstd.render", "nstd.devices"},
    "nstd.smoke": FORMS | {"nstd.worker", "nstd.crew", "nstd.devices"},
    "nstd.station": FORMS | {"nstd.worker"},
    "nstd.dispatch": FORMS | {"nstd.spool", "nstd.worker", "nstd.station"},
    "nstd.crew": FORMS
    | {
        "nstd.spool",
        "nstd.worker",
        "nstd.station",
        "nstd.dispatch",
        "nstd.devices",
        "nstd.images",
    },
    "nstd.clerk": FORMS | {"nstd.spool"},
    "nstd.telling": FORMS | {"nstd.spool", "nstd.dispatch", "nstd.notify"},
    "nstd.hooks": FORMS | {"nstd.hooks", "nstd.spool"},
    "nstd.signals": set(),
    "nstd.scantimes": set(),
    "nstd.holding": {"nstd.telemetry"},
    "nstd.guard": FORMS | {"nstd.spool", "nstd.crew"},
    "nstd.metrics": FORMS | {"nstd.devices", "nstd.spool.layout", "nstd.spool.tally"},
    "nstd.durations": set(),
    "nstd.web": FORMS
    | PICTURES
    | {
        "nstd.spool",
        "nstd.overview",
        "nstd.durations",
        "nstd.engine.peek",
        "nstd.engine.weights",
    },
    "nstd.daemon": FORMS
    | {
        "nstd.spool",
        "nstd.worker",
        "nstd.dispatch",
        "nstd.clerk",
        "nstd.telling",
        "nstd.crew",
        "nstd.devices",
        "nstd.signals",
        "nstd.scantimes",
        "nstd.holding",
        "nstd.guard",
        "nstd.metrics",
        "nstd.notify",
        "nstd.hooks",
        "nstd.plugins",
    },
}
# Within the spool each module needs only those on the floors below its own.
SPOOL_FLOORS = (
    {"beneath", "crashpoint", "decide", "deliveries", "inotify", "mounts", "renaming"}
    | {"rows", "schema"},
    {"files", "queries"},
    {"history", "layout", "ledger", "lock", "reading"},
    {"besides", "marker", "nowfile", "requests", "settle", "space", "tally", "watch"},
    {"desk"},
    {"announce", "scanned"},
    {"notes"},
    {"hot"},
    {"look", "scan", "claim", "publish", "status", "retention"},
    {"retire", "intake", "opening"},
    {"putback", "steps"},
    {"closing"},
)
ENGINE = ROOT / "engine"


def name_of(path: Path) -> str:
    """Name the module in a file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports(path: Path, *, at_run_time: bool = False) -> set[str]:
    """Collect the modules that a file imports, those under TYPE_CHECKING too unless told not."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    if at_run_time:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                skipped.update(child for part in node.body for child in ast.walk(part))
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = ROOT.parent / Path(*node.module.split("."), f"{alias.name}.py")
                package = below.with_suffix("")
                is_module = below.exists() or package.is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return found


def is_within(name: str, homes: set[str]) -> bool:
    """Tell whether a module is one of `homes` or lies below one; `nstd` is only itself."""
    return name in homes or any(name.startswith(f"{home}.") for home in homes if home != "nstd")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    """Each module imports only from its own floor and those below."""
    name = name_of(path)
    homes = [home for home in ALLOWED if is_within(name, {home})]
    if not homes:
        assert name in {
            "nstd",
            "nstd.__main__",
            "nstd.api",
            "nstd.bench",
            "nstd.comparison",
            "nstd.cli",
            *(found for found in map(name_of, MODULES) if found.startswith("nstd.commands")),
            "nstd.demonstration",
            "nstd.doctor",
            "nstd.findings",
            "nstd.following",
            "nstd.overview",
            "nstd.submission",
            "nstd.progress",
            "nstd.single",
        }, f"{name} has no floor: say in this test where it belongs"
        return
    own = {found for found in imports(path) if found.split(".")[0] == "nstd"}
    wrong = {found for found in own if not is_within(found, ALLOWED[homes[0]] | {homes[0]})}
    assert not wrong


def spool_imports(path: Path) -> set[str]:
    """Collect the spool's own modules that one of them needs at run time."""
    own = {found for found in imports(path, at_run_time=True) if found.startswith("nstd.spool.")}
    return {found.removeprefix("nstd.spool.") for found in own}


@pytest.mark.parametrize("path", sorted((ROOT / "spool").glob("[!_]*.py")), ids=name_of)
def test_the_spool_is_built_in_floors(path: Path) -> None:
    """A stage knows neither those beside it nor those that come after."""
    (floor,) = (number for number, names in enumerate(SPOOL_FLOORS) if path.stem in names)
    below = set().union(*SPOOL_FLOORS[:floor])
    assert spool_imports(path) <= below


def test_decisions_are_pure() -> None:
    """They see values only: no folder, no ledger, no clock."""
    found = imports(ROOT / "spool" / "decide.py", at_run_time=True)
    assert {name for name in found if name.startswith("nstd")} == {
        "nstd.domain",
        "nstd.entry",
        "nstd.errors",
    }
    assert not found & {"os", "time", "pathlib", "sqlite3"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_engine_imports_tensorflow(path: Path) -> None:
    """Neither the spool nor the supervisor nor the weights' own modules name it."""
    uses = any(found.split(".")[0] == "tensorflow" for found in imports(path))
    in_engine = path.is_relative_to(ENGINE) and not path.is_relative_to(ENGINE / "weights")
    assert in_engine or not uses


@pytest.mark.parametrize(
    "module", ["nstd.cli", "nstd.daemon", "nstd.engine.weights", "nstd.worker", "nstd.render"]
)
def test_importing_costs_no_tensorflow(module: str) -> None:
    """The supervisor and the command line never load it; only the worker's main function does."""
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_starts_light() -> None:
    """`nstd --help` loads neither NumPy nor Pillow nor pydantic."""
    code = (
        "import sys, nstd.cli;"
        "print(*({'numpy', 'PIL', 'pydantic', 'tensorflow', 'requests'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


def test_only_the_command_line_exits() -> None:
    """Everything else raises, and the command line alone turns that into an exit code."""
    for path in MODULES:
        if "sys.exit(" in path.read_text():
            assert path.name == "cli.py"
