"""The Terraform variables of a stack, checked by the real Terraform."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.constructs_lib.synthesis import Stack

EMAIL, BUDGET = "notification_email", "budget_limit"


@pytest.fixture(scope="module")
def folder(stacks: dict[str, Stack], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables of `dev`, with outputs that show them."""
    made = tmp_path_factory.mktemp("variables")
    outputs = {name: {"value": f"${{var.{name}}}"} for name in (EMAIL, BUDGET)}
    variables = stacks["dev"].body["variable"]
    (made / "main.tf.json").write_text(json.dumps({"variable": variables, "output": outputs}))
    terraform(made, "init")
    return made


def terraform(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env=environ | {"CHECKPOINT_DISABLE": "1"} | {f"TF_VAR_{name}": text for name, text in variables.items()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"), [(EMAIL, ""), (EMAIL, "lab+aws@mail.example.org"), (BUDGET, "1"), (BUDGET, "250.5")]
)
def test_a_valid_value_is_accepted(folder: Path, name: str, value: str) -> None:
    planned = terraform(folder, "plan", **{name: value})

    assert planned.returncode == 0, planned.stderr
    assert value in planned.stdout


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        (EMAIL, "lab", "notification_email must be a mail address, or empty for none."),
        (EMAIL, "a@b", "notification_email must be a mail address, or empty for none."),
        (EMAIL, "a b@example.org", "notification_email must be a mail address, or empty for none."),
        (BUDGET, "0", "budget_limit must be at least 1 US dollar."),
        (BUDGET, "-5", "budget_limit must be at least 1 US dollar."),
        (BUDGET, "much", "a number is required"),
    ],
)
def test_an_invalid_value_is_refused_with_the_rule(folder: Path, name: str, value: str, fault: str) -> None:
    planned = terraform(folder, "plan", **{name: value})

    assert planned.returncode == 1
    assert fault in planned.stderr
