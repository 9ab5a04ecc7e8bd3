import datetime
import shutil
from pathlib import Path

import pytest

from delivery import acceptance
from delivery.acceptance import STEPS, Acceptance, Step, go, report
from delivery.errors import DeliveryError
from dropbatch.settings import load
from tests.delivery.workplace import Workplace
from tests.project import ROOT

THEN = datetime.datetime(2026, 11, 20, 12, 30, tzinfo=datetime.UTC)


def test_what_is_deployed_for_it_is_a_valid_environment_that_may_be_destroyed(tmp_path: Path) -> None:
    file = tmp_path / "acceptance.toml"
    shutil.copy(ROOT / "delivery/acceptance.toml", file)
    settings = load(file)
    assert settings.environment.disposable
    assert {pool.kind for pool in settings.compute.values()} == {"spot", "on_demand"}


def test_after_a_failure_the_rest_is_tried_and_all_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def step(name: str):
        def run(_: Acceptance) -> str:
            tried.append(name)
            if name == "drop":
                raise DeliveryError("no counts | came back")
            return f"{name} was seen"

        return run

    monkeypatch.setattr(acceptance, "STEPS", {name: (step(name), before) for name, (_, before) in STEPS.items()})
    steps = list(go(Acceptance(env={}, region="eu-central-1")))

    assert tried == ["bootstrap", "deploy", "drop", "spot rescue", "pause and resume", "destroy"]
    page = report(steps, target="AWS, eu-central-1", commit="abc", when=THEN)
    lines = page.splitlines()
    assert lines[0] == "# Acceptance on AWS, eu-central-1, 2026-11-20 12:30 UTC"
    assert lines[2].endswith("commit abc. 5 of 8 held.")
    assert r"| drop | failed | 0 | no counts \| came back |" in lines
    assert "| reproduce | not tried | 0 | needs drop |" in lines


def test_an_interruption_ends_the_trying_and_destroys(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def step(name: str):
        def run(_: Acceptance) -> str:
            tried.append(name)
            if name == "drop":
                raise KeyboardInterrupt
            return "seen"

        return run

    monkeypatch.setattr(acceptance, "STEPS", {name: (step(name), before) for name, (_, before) in STEPS.items()})
    steps = {each.name: each for each in go(Acceptance(env={}, region="eu-central-1"))}
    assert tried == ["bootstrap", "deploy", "drop", "destroy"]
    assert (steps["drop"].found, steps["cost"].found) == ("interrupted", "needs drop, interrupted")


def test_a_deploy_that_fails_leaves_a_report_and_what_is_needed_to_destroy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a cdktf that fails, as it does without credentials."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "npx").write_text("#!/bin/sh\necho no credentials >&2\nexit 1\n")
    (tmp_path / "npx").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert acceptance.main(["--region", "eu-west-1"], {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_SHA": "abc"}) == 1
    (page,) = (tmp_path / "build/acceptance").glob("*.md")
    assert "commit abc. 0 of 8 held." in page.read_text()
    assert "no credentials" in page.read_text()
    assert 'region = "eu-west-1"' in (tmp_path / "environments/acceptance.toml").read_text()


def test_a_report_of_nothing_held_says_so() -> None:
    steps = [Step(name="deploy", outcome="failed", seconds=12.4, found="x")]
    assert "0 of 1 held" in report(steps, target="AWS", commit="abc", when=THEN)


def test_two_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/acceptance.toml").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert acceptance.main([], {}) == 1
    assert "acceptance.toml exists: is another acceptance under way?" in capsys.readouterr().err
    assert (tmp_path / "environments/acceptance.toml").read_text() == "mine"


@pytest.mark.e2e
@pytest.mark.soak
def test_all_steps_hold_in_the_sandbox(tmp_path: Path) -> None:
    work = Workplace(tmp_path, github=True)
    try:
        said = work.module("delivery.acceptance", env={"GITHUB_SHA": "0" * 40})
    finally:
        work.sandbox.destroy_state()
    assert "8 of 8 held" in said, said
    (page,) = (work.root / "build/acceptance").glob("*.md")
    assert page.read_text().startswith("# Acceptance on the sandbox, ")
    assert not (work.root / "environments/acceptance.toml").exists()
