"""The folders show the data's way: imports go one way, and a library has one owner."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "rfcx_lab"
COMMON = {
    "__version__", "config", "engine_config", "ladder_config", "sweep_config", "console", "errors", "files",
    "interrupt", "progress", "server",
}  # fmt: skip
MAY_IMPORT = {
    "data": set(),
    "verdict": set(),
    "features": {"data"},
    "model": {"verdict"},
    "report": {"verdict"},
    "tracking": {"model", "verdict", "report"},
    "engine": {"data", "features", "model", "verdict", "tracking"},
    "search": {"verdict", "report"},
    "lab": {"data", "features", "model", "verdict", "report", "tracking", "engine", "search"},
}
COMMANDS = {
    "verdict/__main__.py": {"tracking", "report"}
}  # imported where needed; tests/verdict/test_main.py holds it to it
OWNERS = {
    "keras": {"model"},
    "tensorflow": set(),
    "librosa": {"features"},
    "mlflow": {"tracking"},
    "rich": {"console.py", "progress.py"},
    "distributed": {"engine"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "optuna": {"search"},
    "optuna_dashboard": {"search"},
    "PIL": {"report"},
    "plotly": {"report"},
    "hydra": {"__main__.py", "config.py", "refusals.py"},
}
VERDICT_NEEDS = {"numpy", "scipy", "sklearn", "lazy_loader"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_go_the_data_s_way(path):
    folder = place(path).split("/")[0]
    if folder not in MAY_IMPORT:
        return
    allowed = {folder, *MAY_IMPORT[folder], *COMMON, *COMMANDS.get(place(path), ())}
    own = [name.split(".")[1] for name in imports(path) if name.startswith("rfcx_lab.")]
    assert set(own) <= allowed


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library):
    users = {place(path) for path in MODULES if library in {name.split(".")[0] for name in imports(path)}}
    assert all(user in OWNERS[library] or user.split("/")[0] in OWNERS[library] for user in users), users


def test_verdict_needs_no_framework():
    used = {name.split(".")[0] for path in (PACKAGE / "verdict").rglob("*.py") for name in imports(path)}
    assert used - set(sys.stdlib_module_names) <= VERDICT_NEEDS | {"rfcx_lab"}


def test_modules_fit_in_a_head():
    long = {place(path): lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 250}
    assert not long


@pytest.mark.parametrize("arguments", [["--help"], ["+experiment=ladder", "--cfg", "job"]])
def test_help_and_config_import_nothing_heavy(arguments):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['rfcx_lab', *{arguments!r}]\n"
        "try: runpy.run_module('rfcx_lab', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split("LOADED")[1].split())
    assert not loaded & {"tensorflow", "keras", "librosa", "mlflow", "distributed", "numpy", "pandas", "matplotlib"}
    assert "training" in run.stdout
