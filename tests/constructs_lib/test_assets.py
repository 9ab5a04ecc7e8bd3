import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from constructs_lib.assets import FUNCTIONS, build_package
from dropbatch.contract.deployment import FILE_NAME, Deployment
from dropbatch.settings import load
from tests.project import ROOT, SHIPPED

DEV = load(SHIPPED / "environments/dev.toml")


def build(root: Path, function: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return build_package(root, function, DEV.deployment().to_json(), folder).path


def test_a_package_does_not_depend_on_times_and_modes(project, tmp_path) -> None:
    # Given the sources as they are here, and with other times, modes and leftovers of a run
    for number, path in enumerate(sorted(project.rglob("*.py"))):
        path.chmod(0o600 if number % 2 else 0o755)
        os.utime(path, (1_000_000_000 + number,) * 2)
    leftovers = project / "lambdas/arrival/__pycache__"
    leftovers.mkdir()
    (leftovers / "handler.cpython-311.pyc").write_bytes(b"old")
    before = os.umask(0o077)

    # When both are packed
    try:
        packed = {function: build(project, function, tmp_path / "two").read_bytes() for function in FUNCTIONS}
    finally:
        os.umask(before)

    # Then not a byte differs
    assert packed == {function: build(ROOT, function, tmp_path / "one").read_bytes() for function in FUNCTIONS}


def test_a_package_contains_the_function_the_contract_and_the_deployment(tmp_path) -> None:
    with zipfile.ZipFile(build(ROOT, "spend_guard", tmp_path)) as package:
        names = package.namelist()
        deployment = Deployment.from_json(package.read(FILE_NAME))
    assert names == sorted(names)
    assert deployment == DEV.deployment()
    packages = {str(Path(name).parent) for name in names}
    assert packages == {
        ".",
        "lambdas",
        "lambdas/common",
        "lambdas/ledger",
        "lambdas/spend_guard",
        "dropbatch",
        "dropbatch/contract",
    }


def test_a_package_works_with_boto3_alone(tmp_path) -> None:
    """A package contains everything its handler imports, except boto3."""
    for function in FUNCTIONS:
        code = f"""
import sys
sys.path.insert(0, {str(build(ROOT, function, tmp_path))!r})
import lambdas.{function}.handler as handler
assert callable(handler.handle)
foreign = {{name.split('.')[0] for name in sys.modules}} & {{'pydantic', 'click', 'rich', 'cdktf', 'jsii'}}
assert not foreign, foreign
assert '.zip' in handler.__file__
"""
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PATH": os.environ["PATH"]})


def test_changed_code_changes_the_digest(project, tmp_path) -> None:
    (tmp_path / "one").mkdir()
    before = build_package(project, "arrival", "{}", tmp_path / "one")
    shutil.copy(project / "lambdas/arrival/flow.py", project / "lambdas/arrival/flow2.py")
    assert build_package(project, "arrival", "{}", tmp_path / "one").sha256 != before.sha256
