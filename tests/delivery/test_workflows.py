"""Which jobs run when, by the conditions in the workflows: credentials, deploys to prod, deleted environments."""

from typing import Any

import pytest

from tests.delivery.workflows import Workflow, evaluate, filled

REPOSITORY = "lab/dropbatch"
ROLE = {"AWS_PLAN_ROLE": "arn:aws:iam::1:role/dropbatch-plan"}
BOTH = '["dev", "prod"]'


def pull_request(repository: str = REPOSITORY, author: str = "ada", role: bool = True) -> dict[str, Any]:
    request = {"head": {"repo": {"full_name": repository}}, "user": {"login": author}}
    github = {"event_name": "pull_request", "repository": REPOSITORY, "event": {"pull_request": request}}
    return {"github": github, "vars": ROLE if role else {}}


def push() -> dict[str, Any]:
    return {"github": {"event_name": "push", "repository": REPOSITORY}, "vars": ROLE}


def by_hand(environment: str, action: str) -> dict[str, Any]:
    inputs = {"environment": environment, "action": action}
    return {"github": {"event_name": "workflow_dispatch", "repository": REPOSITORY}, "vars": ROLE, "inputs": inputs}


@pytest.mark.parametrize(
    ("event", "environments", "jobs"),
    [
        (pull_request(), BOTH, ["check", "rehearse", "environments", "plan", "comment"]),
        (pull_request(), "[]", ["check", "rehearse", "environments"]),
        # a fork, an unreviewed change, or a repository without an account is checked, and gets no credentials
        (pull_request("somebody/dropbatch"), BOTH, ["check", "rehearse"]),
        (pull_request(author="dependabot[bot]"), BOTH, ["check", "rehearse"]),
        (pull_request(role=False), BOTH, ["check", "rehearse"]),
        (
            {"github": {"event_name": "merge_group", "repository": REPOSITORY}, "vars": ROLE},
            BOTH,
            ["check", "rehearse"],
        ),
    ],
)
def test_a_pull_request_is_checked_and_planned(event: Any, environments: str, jobs: list[str]) -> None:
    outputs = {"environments": {"environments": environments}}
    assert Workflow("ci.yml").jobs_that_run(event, outputs) == jobs


@pytest.mark.parametrize(
    ("event", "environments", "failing", "jobs"),
    [
        (push(), BOTH, "", ["choose", "images", "dev", "prod"]),
        (push(), '["prod"]', "", ["choose", "images", "prod"]),
        (push(), '["dev"]', "", ["choose", "images", "dev"]),
        # prod gets only what was deployed to dev
        (push(), BOTH, "dev", ["choose", "images", "dev"]),
        (push(), BOTH, "images", ["choose", "images"]),
        ({**push(), "vars": {}}, BOTH, "", []),
        (by_hand("prod", "deploy"), BOTH, "", ["choose", "images", "by-hand"]),
        (by_hand("prod", "destroy"), BOTH, "", ["choose", "by-hand"]),
        (by_hand("prod", "destroy"), BOTH, "choose", ["choose"]),  # its name was not typed twice
    ],
)
def test_a_merge_goes_through_dev_to_prod(event: Any, environments: str, failing: str, jobs: list[str]) -> None:
    outputs = {"choose": {"environments": environments}}
    assert Workflow("deploy.yml").jobs_that_run(event, outputs, failing) == jobs


@pytest.mark.parametrize(("architecture", "runner"), [("amd64", "ubuntu-24.04"), ("arm64", "ubuntu-24.04-arm")])
def test_an_image_is_built_on_a_machine_of_its_architecture(architecture: str, runner: str) -> None:
    job = Workflow("deploy.yml").jobs["images"]
    contexts = {
        "matrix": {"architecture": architecture},
        "needs": {"choose": {"outputs": {"architectures": '["amd64", "arm64"]'}}},
    }
    assert filled(job["runs-on"], contexts) == runner
    assert filled(job["strategy"]["matrix"]["architecture"], contexts) == "['amd64', 'arm64']"
    (build,) = (step for step in job["steps"] if "make images" in step.get("run", ""))
    assert filled(build["env"]["ARCHITECTURE"], contexts) == architecture


@pytest.mark.parametrize(("changed", "jobs"), [("true", ["plan", "apply"]), ("false", ["plan"])])
def test_a_plan_without_changes_needs_no_approval(changed: str, jobs: list[str]) -> None:
    assert Workflow("environment.yml").jobs_that_run({}, {"plan": {"changed": changed}}) == jobs


@pytest.mark.parametrize(("vars_", "jobs"), [(ROLE, ["environments", "look", "tell"]), ({}, [])])
def test_drift_is_checked_where_something_is_deployed(vars_: dict[str, str], jobs: list[str]) -> None:
    outputs = {"environments": {"environments": BOTH}}
    assert Workflow("drift.yml").jobs_that_run({"vars": vars_}, outputs) == jobs


def test_drift_is_reported_for_all_checked_environments() -> None:
    outputs = {"environments": {"environments": BOTH}}
    assert "tell" in Workflow("drift.yml").jobs_that_run({"vars": ROLE}, outputs, "look")
    assert "tell" not in Workflow("drift.yml").jobs_that_run({"vars": ROLE}, outputs, "environments")
    none = {"environments": {"environments": "[]"}}
    assert Workflow("drift.yml").jobs_that_run({"vars": ROLE}, none) == ["environments"]


def test_expressions_evaluate_as_on_github() -> None:
    contexts = {"inputs": {"smoke": True, "action": "deploy"}, "needs": {"choose": {"outputs": {}}}}
    assert evaluate("inputs.action == 'deploy' && !(inputs.other != '')", contexts)
    assert not evaluate("contains(fromJSON(needs.choose.outputs.environments || '[]'), 'prod')", contexts)
    assert filled("plan of ${{ inputs.action }}: ${{ inputs.smoke }}", contexts) == "plan of deploy: True"
