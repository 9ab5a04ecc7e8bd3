import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.environments import main
from delivery.errors import DeliveryError
from delivery.smoke import choose_pipeline
from tests.infra.plans import BASE, settings_of
from tests.project import ROOT, SHIPPED


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped environments, with prod's state in the bucket that bootstrap would create."""
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    prod = tmp_path / "environments/prod.toml"
    prod.write_text(prod.read_text().replace("dropbatch-state-CHANGE-ME", "dropbatch-state-1-eu-central-1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_environments_with_remote_state_are_deployed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = project / "outputs"
    assert main([], {"GITHUB_OUTPUT": str(outputs)}) == 0
    assert json.loads(capsys.readouterr().out) == ["prod"]
    assert outputs.read_text() == 'environments=["prod"]\narchitectures=["amd64"]\n'


def test_one_environment_gives_its_region(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = project / "outputs"
    assert main(["prod"], {"GITHUB_OUTPUT": str(outputs)}) == 0
    assert (capsys.readouterr().out, outputs.read_text()) == ("eu-central-1\n", "region=eu-central-1\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["dev"],
            'environments/dev.toml: state.backend: must be "s3" for a workflow, whose files are gone when it ends',
        ),
        (["staging"], "environment: one of dev, prod, sandbox, got 'staging': choose one of them"),
        (["prod", "--destroy", "dev"], "confirm: to destroy 'prod' type its name, got 'dev': nothing is destroyed"),
        (["prod", "--destroy", ""], "confirm: to destroy 'prod' type its name, got '': nothing is destroyed"),
    ],
)
def test_other_environments_are_refused(project: Path, arguments: list[str], said: str, capsys) -> None:
    assert main(arguments, {}) == 1
    assert said in capsys.readouterr().err


def test_the_placeholder_of_the_bucket_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SHIPPED / "environments/prod.toml", project / "environments")
    assert main(["prod"], {}) == 1
    assert "prod.toml: state.bucket: is still 'dropbatch-state-CHANGE-ME'" in capsys.readouterr().err


def test_missing_rights_of_the_deploy_role_are_reported_before_approval(project: Path, capsys) -> None:
    # Given prod among those that get a role, without the boundary
    with (project / "bootstrap.toml").open("a") as file:
        file.write('[github]\nrepository = "a/b"\nowner_id = "1"\nrepository_id = "2"\nenvironments = ["prod"]\n')
    for arguments in ([], ["prod"]):
        assert main(arguments, {}) == 1
        assert "prod.toml: environment.permissions_boundary: is missing, " in capsys.readouterr().err

    # When it is written, then not
    prod = project / "environments/prod.toml"
    line = '[environment]\npermissions_boundary = "dropbatch-boundary-prod"\n'
    prod.write_text(prod.read_text().replace("[environment]\n", line))
    assert main([], {}) == 0


def test_faults_of_all_files_are_reported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "environments/prod.toml").write_text("[nonsense]\n")
    assert main([], {}) == 1
    assert "prod.toml: nonsense: unknown" in capsys.readouterr().err


@pytest.mark.parametrize("name", [";touch x $(touch x) `touch x`", "../../etc"])
def test_values_given_to_a_workflow_run_no_code(project: Path, name: str) -> None:
    shutil.copy(ROOT / "Makefile", project)
    command = [
        "make",
        "--silent",
        "SETUP=@true",
        f"RUN=env PYTHONPATH={ROOT} {sys.executable}",
    ]
    for target in ("environments", "confirm", "plan", "apply", "patch", "drift", "smoke"):
        done = subprocess.run(
            [*command, target],
            cwd=project,
            env={"PATH": "/usr/bin:/bin", "ENV": name, "CONFIRM": name, "ACTION": "deploy"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "error:" in done.stderr
    assert not list(project.glob("**/x"))


def test_the_smoke_test_uses_a_pipeline_that_files_start() -> None:
    text = BASE.replace("[pipeline.count]\n", '[pipeline.count]\ntrigger = "submit"\n')
    text = text.replace("[pipeline.other]\n", '[pipeline.other]\nsuffixes = [".bam", ".cram"]\n')
    assert choose_pipeline(settings_of(text)) == ("other", ".bam")


def test_an_environment_without_such_a_pipeline_has_no_smoke_test() -> None:
    with pytest.raises(DeliveryError, match=r"lab1\.toml: no pipeline is started by a file"):
        choose_pipeline(settings_of(BASE.replace('pools = ["spot"]\n', 'pools = ["spot"]\ntrigger = "submit"\n')))


def test_images_are_built_for_the_architectures_of_the_pools(project: Path) -> None:
    outputs = project / "outputs"
    prod = project / "environments/prod.toml"
    text = re.sub(r"^\[compute\.\w+\]$", r'\g<0>\narchitecture = "arm64"', prod.read_text(), flags=re.MULTILINE)
    prod.write_text(re.sub(r"^instance_types = .*$", "", text, flags=re.MULTILINE))
    assert main([], {"GITHUB_OUTPUT": str(outputs)}) == 0
    assert 'architectures=["amd64", "arm64"]\n' in outputs.read_text()
