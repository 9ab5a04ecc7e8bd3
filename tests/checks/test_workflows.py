"""Deleting a line that keeps production safe is reported: each such line is deleted in a copy."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from checks.workflows import faults
from tests.project import ROOT

CHECKOUT = "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1"
FORKS = "github.event.pull_request.head.repo.full_name == github.repository"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    return tmp_path


def test_our_workflows_have_no_fault(project: Path) -> None:
    assert faults(project) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        # the approval
        ("environment", "    environment:\n      name: ${{ inputs.environment }}\n", "", "without it nobody approves"),
        (
            "environment",
            "    environment:\n      name: ${{ inputs",
            "    environment:\n      name: dev # ${{",
            "nobody",
        ),
        # the plan that was approved
        ("environment", " SEALED=build/delivery/sealed", "", "must apply the plan that was approved"),
        ("environment", "          DIGEST: ${{ needs.plan.outputs.digest }}\n", "", "must apply the plan that was"),
        (
            "environment",
            "run: make apply SEALED=build/delivery/sealed",
            "run: make smoke",
            "one job that plans and one",
        ),
        ("environment", " SEAL=build/delivery/sealed", "", "the plan must be kept for the job that applies"),
        ("environment", "    needs: plan\n", "", "must need the job plan"),
        ("environment", "role-to-assume: ${{ vars.AWS_PLAN", "role-to-assume: ${{ vars.AWS_DEPLOY", "may only look"),
        # forks
        ("ci", f"      {FORKS}\n      && needs", "      needs", "plan: code of forks gets no credentials"),
        ("ci", f"    if: {FORKS}\n", "", "comment: code of forks gets no credentials"),
        ("ci", "  pull_request:\n", "  pull_request_target:\n", "gives credentials to code of others"),
        # pins
        ("ci", CHECKOUT, "actions/checkout@v6", "must be pinned by its full commit, got actions/checkout@v6"),
        ("drift", CHECKOUT, CHECKOUT.partition(" ")[0], "beside the commit must stand its version"),
        # credentials last as long as the job
        (
            "environment",
            "          role-duration-seconds: 7200 #",
            "          #",
            "7200 seconds and its credentials last 3600",
        ),
        ("environment", "    timeout-minutes: 120\n", "    timeout-minutes: 121\n", "7260 seconds and its credentials"),
        ("drift", "    timeout-minutes: 30\n", "", "may run for 21600 seconds and its credentials last 3600"),
        # rights
        ("ci", "permissions: {}\n", "", "ci.yml: permissions: {} must stand at the top"),
        (
            "drift",
            "    permissions:\n      contents: read # the code\n",
            "    x-none:\n      contents: read\n",
            "named",
        ),
        ("ci", "contents: read # the code", "contents: write", "may not write contents"),
        ("ci", "          persist-credentials: false\n", "          fetch-depth: 1\n", "persist-credentials: false is"),
        # one at a time
        ("deploy", "      group: deploy-prod\n", "      group: deploy-dev\n", "prod: concurrency"),
        (
            "deploy",
            "      group: deploy-dev\n      cancel-in-progress: false",
            "      group: deploy-dev",
            "none is stopped",
        ),
        # the destroyed environment was named twice
        (
            "deploy",
            "        run: make confirm\n",
            "        run: make environments\n",
            "must need a job that runs `make conf",
        ),
        (
            "deploy",
            "if: inputs.action == 'destroy'\n        run",
            "if: false\n        run",
            "whenever something is to be",
        ),
        # commands that tests call
        ("drift", "run: make synth", "run: python main.py", "every command is one target of the Makefile"),
        ("drift", "run: make synth", "run: make everything", "every command is one target of the Makefile"),
        ("drift", "run: make synth", "run: make synth ENV=${{ inputs.x }}", "every command is one target"),
        ("deploy", "uses: $/.github/workflows/environment.yml", "uses: $/.github/workflows/e.yml", "does not exist"),
    ],
)
def test_a_deleted_line_is_reported(project: Path, file: str, old: str, new: str, said: str) -> None:
    path = project / ".github/workflows" / f"{file}.yml"
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r} any more"
    path.write_text(text.replace(old, new))
    found = faults(project)
    assert any(said in fault for fault in found), found


def test_actions_of_this_repository_need_a_pinned_version(project: Path) -> None:
    path = project / ".github/actions/tools/action.yml"
    path.write_text(path.read_text().replace("actions/setup-node@2028fbc5c25fe9cf00d9f06a71cc4710d4507903", "x/y@main"))
    assert faults(project) == ["action.yml:10: an action must be pinned by its full commit, got x/y@main"]


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        (
            ".github/workflows/ci.yml",
            "      - run: echo ${{ github.event.pull_request.title }}\n",
            "template-injection",
        ),
        (".github/workflows/ci.yml", "      - uses: actions/cache@v4\n", "unpinned-uses"),
    ],
)
def test_zizmor_accepts_the_workflows(project: Path, place: str, line: str, said: str) -> None:
    path = project / place
    path.write_text(path.read_text().replace("      - run: make lint\n", f"      - run: make lint\n{line}", 1))
    command = [
        str(Path(sys.executable).with_name("zizmor")),
        "--offline",
        "--pedantic",
        "--no-progress",
        "--quiet",
        ".github",
    ]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stdout


@pytest.mark.parametrize(
    ("schema", "place", "old", "new"),
    [
        ("vendor.github-workflows", ".github/workflows/ci.yml", "runs-on:", "run-on:"),
        ("vendor.dependabot", ".github/dependabot.yml", "interval: weekly", "interval: often"),
    ],
)
def test_the_workflows_are_valid_for_their_schemas(project: Path, schema: str, place: str, old: str, new: str) -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--quiet", "--builtin-schema", schema, place]
    assert subprocess.run(command, cwd=project, check=False).returncode == 0
    (project / place).write_text((project / place).read_text().replace(old, new))
    assert subprocess.run(command, cwd=project, capture_output=True, check=False).returncode == 1


def test_dependabot_watches_every_pinned_version() -> None:
    updates = {
        each["package-ecosystem"]: each for each in YAML(typ="safe").load(ROOT / ".github/dependabot.yml")["updates"]
    }
    assert set(updates) == {"pip", "npm", "github-actions", "docker"}
    for ecosystem, each in updates.items():
        assert each["groups"], ecosystem
    lists = [path for top in ("checks", "dropbatch", "image") for path in (ROOT / top).rglob("*.txt")]
    # Dependabot does not find these by itself: our own actions, Dockerfiles, and requirements below the top.
    for ecosystem, found in (
        ("pip", (path for path in lists if re.search(r"^[\w-]+==", path.read_text(), re.MULTILINE))),
        ("github-actions", ROOT.glob(".github/actions/*/action.yml")),
        ("docker", (path for top in ("image", "dropbatch") for path in (ROOT / top).rglob("Dockerfile"))),
    ):
        for folder in (f"/{path.parent.relative_to(ROOT)}" for path in found):
            assert any(fnmatch(folder, each) for each in updates[ecosystem]["directories"]), folder
