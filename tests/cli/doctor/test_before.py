"""Checks before a deploy: environment file, tools, account, Terraform's state and its lock."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from click.testing import CliRunner

from dropbatch.cli.doctor import Outcome, before
from dropbatch.cli.init_files import Answers, environment_text
from dropbatch.cli.main import cli
from dropbatch.settings import Settings, load
from tests.cli.doctor.stubs import Stubs

CHECKS = {check.name: check for check in (*before.FIRST, *before.LAST)}
LOCK = {
    "ID": "1234-5678",
    "Operation": "OperationTypeApply",
    "Who": "me@laptop",
    "Created": (datetime.now(UTC) - timedelta(hours=3)).isoformat(),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "environments").mkdir()
    (tmp_path / "image" / "wordcount").mkdir(parents=True)
    (tmp_path / "image" / "wordcount" / "Dockerfile").write_text("FROM x")
    (tmp_path / "dropbatch").mkdir()
    for name in ("__init__.py", "contract", "runtime"):
        (tmp_path / "dropbatch" / name).touch()
    return tmp_path


def settings(project: Path, more: str = "") -> Settings:
    path = project / "environments" / "dev.toml"
    path.write_text(environment_text(Answers()).replace("[notify]", f"{more}\n[notify]"))
    return load(path)


@pytest.mark.parametrize(
    ("meant", "outcome"), [("", Outcome.OK), ("123456789012", Outcome.OK), ("210987654321", Outcome.PROBLEM)]
)
def test_the_intended_account_is_checked(project: Path, meant: str, outcome: Outcome):
    path = project / "environments" / "dev.toml"
    text = environment_text(Answers())
    path.write_text(text.replace('# account_id = "123456789012"', f'account_id = "{meant}"') if meant else text)
    stubs = Stubs().answer("sts", "get_caller_identity", {"Account": "123456789012", "Arn": "a" * 20, "UserId": "u"})

    (found,) = stubs.look(CHECKS["account"], settings=load(path))

    assert found.outcome is outcome


IN_S3 = '[state]\nbackend = "s3"\nbucket = "some-state"'
ROLE = {"Role": {"Path": "/", "RoleName": "x", "RoleId": "A" * 16, "Arn": "a" * 20, "CreateDate": "2026-01-01"}}


def account_with(*roles: str, project: Path) -> Stubs:
    """Return stubs of an account without bootstrap's bucket, with these service-linked roles."""
    (project / "bootstrap.toml").write_text('[account]\nregion = "eu-central-1"\n')
    stubs = Stubs().answer("sts", "get_caller_identity", {"Account": "123456789012", "Arn": "a" * 20, "UserId": "u"})
    stubs.fail("s3", "head_bucket", "404")
    for name in ("AWSServiceRoleForBatch", "AWSServiceRoleForECS", "AWSServiceRoleForEC2Spot"):
        if name in roles:
            stubs.answer("iam", "get_role", ROLE, RoleName=name)
        else:
            stubs.fail("iam", "get_role", "NoSuchEntity")
    return stubs


def test_roles_that_bootstrap_could_not_create_are_reported(project: Path):
    stubs = account_with("AWSServiceRoleForBatch", "AWSServiceRoleForECS", project=project)

    (found,) = stubs.look(CHECKS["bootstrap"], settings=settings(project, IN_S3), project=project)

    assert found.outcome is Outcome.PROBLEM
    assert found.text.startswith("AWSServiceRoleForBatch, AWSServiceRoleForECS: exist already")
    assert found.fix == 'in bootstrap.toml, [account]: `service_linked_roles = ["spot.amazonaws.com"]`'


def test_existing_roles_are_no_problem_without_a_state_bucket(project: Path):
    stubs = account_with("AWSServiceRoleForEC2Spot", project=project)

    (found,) = stubs.look(CHECKS["bootstrap"], settings=settings(project), project=project)

    assert found.outcome is Outcome.OK
    assert '`service_linked_roles = ["batch.amazonaws.com", "ecs.amazonaws.com"]`' in found.text


def test_an_account_without_the_roles_is_ready_for_bootstrap(project: Path):
    stubs = account_with(project=project)

    (found,) = stubs.look(CHECKS["bootstrap"], settings=settings(project, IN_S3), project=project)

    assert (found.outcome, found.text) == (Outcome.OK, "not deployed; it can be deployed")


def test_roles_made_by_bootstrap_are_no_problem(project: Path):
    (project / "bootstrap.toml").write_text('[account]\nregion = "eu-central-1"\n')
    stubs = Stubs().answer("sts", "get_caller_identity", {"Account": "123456789012", "Arn": "a" * 20, "UserId": "u"})
    stubs.answer("s3", "head_bucket", {}, Bucket="dropbatch-state-123456789012-eu-central-1")

    (found,) = stubs.look(CHECKS["bootstrap"], settings=settings(project, IN_S3), project=project)

    assert found.outcome is Outcome.OK


def test_an_arm64_image_is_found_by_its_own_tag(project: Path, monkeypatch: pytest.MonkeyPatch):
    path = project / "environments" / "dev.toml"
    path.write_text(re.sub(r"(\[compute\.\w+\])", r'\1\narchitecture = "arm64"', environment_text(Answers())))
    asked = []
    monkeypatch.setattr("dropbatch.images.shutil.which", lambda _: None)
    monkeypatch.setattr("dropbatch.before_deploy._has_image", lambda *call: asked.append(call[-1]))

    (found,) = Stubs().look(CHECKS["images"], settings=load(path), project=project)

    assert found.outcome is Outcome.PROBLEM
    assert found.fix.startswith("install one")
    assert [tag.rpartition("-")[0] for tag in asked] == ["wordcount-arm64"]


def test_a_lock_in_s3_is_shown_with_its_owner_and_its_removal(project: Path):
    body = json.dumps(LOCK).encode()
    stubs = Stubs().answer("s3", "get_bucket_versioning", {"Status": "Enabled"})
    stubs.answer("s3", "get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))},
                 Bucket="some-state", Key="dropbatch/dev.tfstate.tflock")  # fmt: skip

    found = stubs.look(CHECKS["state"], settings=settings(project, '[state]\nbackend = "s3"\nbucket = "some-state"'))

    assert [each.outcome for each in found] == [Outcome.OK, Outcome.PROBLEM]
    assert "locked 3 h ago by me@laptop (Apply)" in found[1].text
    assert "force-unlock 1234-5678" in found[1].fix


def test_a_bucket_without_a_lock_and_without_versions_is_reported(project: Path):
    stubs = Stubs().answer("s3", "get_bucket_versioning", {}).fail("s3", "get_object", "NoSuchKey")

    found = stubs.look(CHECKS["state"], settings=settings(project, '[state]\nbackend = "s3"\nbucket = "some-state"'))

    assert [each.outcome for each in found] == [Outcome.PROBLEM, Outcome.OK]


def test_a_missing_state_bucket_is_reported(project: Path):
    stubs = Stubs().fail("s3", "get_bucket_versioning", "NoSuchBucket")

    (found,) = stubs.look(CHECKS["state"], settings=settings(project, '[state]\nbackend = "s3"\nbucket = "some-state"'))

    assert found.outcome is Outcome.PROBLEM
    assert "cdktf deploy bootstrap" in found.fix


@pytest.mark.parametrize(("locked", "outcome"), [(True, Outcome.PROBLEM), (False, Outcome.OK)])
def test_a_local_lock_is_reported(project: Path, locked: bool, outcome: Outcome):
    if locked:
        (project / ".terraform.dev.tfstate.lock.info").write_text(json.dumps(LOCK))

    found = Stubs().look(CHECKS["state"], settings=settings(project), project=project)

    assert [each.outcome for each in found] == [Outcome.OK, outcome]


def test_an_image_that_must_be_built_needs_an_engine(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dropbatch.images.shutil.which", lambda _: None)
    monkeypatch.setattr("dropbatch.before_deploy._has_image", lambda *_: False)

    (found,) = Stubs().look(CHECKS["images"], settings=settings(project), project=project)

    assert found.outcome is Outcome.PROBLEM
    assert "neither docker nor podman" in found.text


def test_a_missing_folder_of_a_pipeline_is_reported(project: Path):
    (project / "image" / "wordcount" / "Dockerfile").unlink()
    (project / "image" / "wordcount").rmdir()

    (found,) = Stubs().look(CHECKS["images"], settings=settings(project), project=project)

    assert (found.outcome, found.fix) == (Outcome.PROBLEM, "`dropbatch init --pipeline wordcount`")


def test_the_state_of_a_sandbox_is_found_where_the_demo_keeps_it(project: Path, tmp_path: Path):
    state = tmp_path / "terraform" / "dev" / "terraform.tfstate"
    state.parent.mkdir(parents=True)
    state.touch()
    sandbox = {"sandbox": True, "sandbox_directory": tmp_path}

    found = Stubs().look(CHECKS["state"], settings=settings(project), project=project, **sandbox)

    assert [each.text for each in found] == ["in terraform.tfstate on this machine", "not locked"]


@pytest.mark.parametrize(
    ("version", "outcome"), [("Terraform v1.11.4", Outcome.OK), ("Terraform v1.9.8", Outcome.PROBLEM)]
)
def test_terraform_needs_a_minimum_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, outcome: Outcome
):
    program = tmp_path / "terraform"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert Stubs().look(CHECKS["tools"])[0].outcome is outcome


@pytest.mark.parametrize(("text", "words"), [(None, "cannot be read"), ("[environment]\nname = 3", "environment.name")])
def test_an_invalid_environment_file_is_a_usage_error(tmp_path: Path, text: str | None, words: str):
    path = tmp_path / "dev.toml"
    if text:
        path.write_text(text)

    result = CliRunner().invoke(cli, ["doctor", "--before-deploy", str(path)])

    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_doctor_prints_a_list_and_sets_the_exit_code(project: Path, monkeypatch: pytest.MonkeyPatch):
    settings(project)
    monkeypatch.chdir(project)
    monkeypatch.setattr("dropbatch.cli.doctor.account.CHECKS", ())
    monkeypatch.setattr("dropbatch.cli.doctor.before.LAST", (CHECKS["state"],))
    arguments = ["doctor", "--before-deploy", "environments/dev.toml"]

    good = CliRunner().invoke(cli, [*arguments, "--json"])
    (project / ".terraform.dev.tfstate.lock.info").write_text(json.dumps(LOCK))
    (project / "environments" / "sandbox.toml").touch()  # what makes it a checkout
    bad = CliRunner().invoke(cli, arguments)

    body: list[dict[str, Any]] = json.loads(good.stdout)
    assert good.exit_code == 0, good.output
    assert {each["outcome"] for each in body} == {"ok"}
    assert bad.exit_code == 1
    assert "problem  state" in bad.stdout
    assert "1 problem" in bad.stderr
