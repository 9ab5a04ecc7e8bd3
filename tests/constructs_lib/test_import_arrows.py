"""Which package may import which; and no module imports a test module."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT

CDKTF = {"cdktf", "cdktf_cdktf_provider_aws", "constructs", "jsii"}
AWS_SDK = {"boto3", "botocore", "s3transfer", "mypy_boto3_batch", "mypy_boto3_dynamodb", "mypy_boto3_s3"}

ROOMS = {
    *("dropbatch", "dropbatch.contract", "dropbatch.settings", "dropbatch.sandbox"),
    *("dropbatch.runtime", "dropbatch.cli"),
}

# By package: our other packages it may import, and those of others (None: any except cdktf's).
ARROWS: dict[str, tuple[set[str], set[str] | None]] = {
    "dropbatch": (set(), set()),  # __init__, preflight, commit
    "dropbatch.contract": (set(), set()),
    "dropbatch.settings": ({"dropbatch.contract"}, {"pydantic", "pydantic_core"}),
    "dropbatch.images": ({"dropbatch", "dropbatch.contract"}, {"boto3", "botocore"}),
    "dropbatch.before_deploy": ({"dropbatch.images"}, {"boto3", "botocore"}),
    "dropbatch.machines": ({"dropbatch.contract"}, {"boto3", "botocore"}),
    "dropbatch.runtime": ({"dropbatch", "dropbatch.contract"}, AWS_SDK),
    "dropbatch.cli": (
        {
            *("dropbatch", "dropbatch.contract", "dropbatch.settings", "dropbatch.sandbox"),
            *("dropbatch.images", "dropbatch.before_deploy"),  # doctor, before a deploy
        },
        None,
    ),
    "dropbatch.sandbox": ({"dropbatch", "dropbatch.contract", "dropbatch.settings"}, None),
    "lambdas": ({"dropbatch.contract"}, AWS_SDK),
    "constructs_lib": ({"dropbatch.contract", "dropbatch.settings", "dropbatch.images"}, CDKTF),
    "main": ({"constructs_lib", "dropbatch.settings"}, CDKTF),
    "delivery": (
        {
            *("constructs_lib", "main", "dropbatch", "dropbatch.contract", "dropbatch.images"),
            *("dropbatch.machines", "dropbatch.settings"),
        },
        set(),
    ),
    # Measures everything, and so may import everything.
    "bench": ({*ROOMS, "lambdas"}, None),
    "image": (set(), None),
}
MAY_IMPORT_CDKTF = {"constructs_lib", "main"}


def sources() -> Iterator[Path]:
    for top in ("dropbatch", "lambdas", "constructs_lib", "image", "bench", "delivery"):
        yield from sorted((ROOT / top).rglob("*.py"))
    yield ROOT / "main.py"


def room_of(module: str) -> str | None:
    """Return the package a module is in; None if it is not ours."""
    parts = module.split(".")
    if parts[0] == "dropbatch":
        two = ".".join(parts[:2])
        return two if two in ARROWS else "dropbatch"
    return parts[0] if parts[0] in ARROWS else None


def imported(path: Path) -> Iterator[str]:
    """Return the modules that a file imports."""
    for module, name in import_statements(path):
        # `from dropbatch import images` imports the package dropbatch.images.
        yield f"{module}.{name}" if name and module == "dropbatch" else module


def imported_names(path: Path) -> Iterator[str]:
    """Return the modules and the names in them that a file imports, by their full name."""
    for module, name in import_statements(path):
        yield f"{module}.{name}" if name else module


def import_statements(path: Path) -> Iterator[tuple[str, str]]:
    """Return each imported module, and the name imported from it, if any."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package = module.removesuffix(".__init__") if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            full = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((full, each.name) for each in node.names)


def faults_of(path: Path) -> Iterator[str]:
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert room is not None, f"{path}: a room without arrows"
    ours, others = ARROWS[room]
    for name in imported(path):
        top, target = name.split(".")[0], room_of(name)
        if target == room or top in sys.stdlib_module_names:
            continue
        if top in CDKTF and room not in MAY_IMPORT_CDKTF:
            yield f"{path.relative_to(ROOT)} imports {name}"
        elif target is not None and target not in ours:
            yield f"{path.relative_to(ROOT)} imports {name}: {room} may import {sorted(ours) or 'no other room'}"
        elif target is None and others is not None and top not in others:
            yield f"{path.relative_to(ROOT)} imports {name}: {room} may import {sorted(others) or 'nothing of others'}"


def test_packages_import_only_what_they_may() -> None:
    assert [fault for path in sources() for fault in faults_of(path)] == []


def test_only_tests_of_constructs_import_cdktf() -> None:
    found = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in CDKTF | MAY_IMPORT_CDKTF
    }
    assert found == {"constructs_lib", "infra", "machines"}


def imports_of_test_modules(path: Path) -> list[str]:
    return [name for name in imported_names(path) if any(part.startswith("test_") for part in name.split(".")[1:])]


def test_no_module_imports_a_test_module() -> None:
    faults = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (names := imports_of_test_modules(path))
    }
    assert faults == {}, "move what both need into a helper module, whose name does not begin with test_"


@pytest.mark.parametrize(
    "line",
    [
        "from tests.lambdas.test_rescue import tries",
        "from tests.lambdas import conftest, test_rescue",
        "from .test_rescue import tries",
        "from . import test_rescue",
        "def f():\n    import tests.lambdas.test_rescue",
    ],
)
def test_an_import_of_a_test_module_is_reported(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "tests" / "lambdas" / "test_x.py"
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert imports_of_test_modules(path)


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        ("dropbatch/contract/x.py", "import boto3", "may import nothing of others"),
        ("dropbatch/contract/x.py", "from dropbatch.settings import load", "may import no other room"),
        ("dropbatch/cli/x.py", "import cdktf", "imports cdktf"),
        ("dropbatch/cli/x.py", "from ..runtime import main", "imports dropbatch.runtime"),
        ("lambdas/arrival/x.py", "from dropbatch import images", "imports dropbatch.images"),
        ("dropbatch/runtime/x.py", "def f():\n    import constructs_lib.stack", "imports constructs_lib.stack"),
    ],
)
def test_a_forbidden_import_is_reported(place: str, line: str, said: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line)
    (fault,) = faults_of(path)
    assert said in fault
