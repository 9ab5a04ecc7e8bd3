"""Destroying resources that are kept, with the real Terraform: the command of `Kept`, by itself."""

import json
import os
import subprocess
from pathlib import Path

from tests.constructs_lib.synthesis import Stack


def terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env=environ | {"CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_destroy_stops_with_a_message_until_the_environment_is_disposable(
    stacks: dict[str, Stack], tmp_path: Path
) -> None:
    # Given the message of an environment that keeps its data, deployed
    (message,) = (each for each in stacks["prod"].resources("terraform_data") if "input" in each)
    lines = message["input"]["message"].splitlines()
    text = "\n".join(line.split("${")[0] + "name" if "${" in line else line for line in lines)
    kept = {"input": {"message": text}, "provisioner": message["provisioner"]}
    file = tmp_path / "main.tf.json"
    file.write_text(
        json.dumps(
            {"resource": {"terraform_data": {"data": {}, "kept": kept | {"depends_on": ["terraform_data.data"]}}}}
        )
    )
    assert terraform(tmp_path, "init").returncode == 0
    applied = terraform(tmp_path, "apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr

    # When it is destroyed
    destroyed = terraform(tmp_path, "destroy", "-auto-approve")

    # Then that fails, says what stays and how to remove it, and what it stands before is still there
    assert destroyed.returncode == 1
    for part in (
        "kept, since they may hold data and this environment is not disposable:",
        "  input bucket: name",
        "  output bucket: name",
        "  ledger: name",
        "  images: name",
        "set disposable = true in environments/prod.toml, deploy, and destroy again",
    ):
        assert part in destroyed.stdout + destroyed.stderr
    assert "terraform_data.data" in terraform(tmp_path, "state", "list").stdout

    # And when the environment has become disposable, the message is destroyed silently
    file.write_text(json.dumps({"resource": {"terraform_data": {"data": {}}}}))
    assert terraform(tmp_path, "apply", "-auto-approve").returncode == 0
    assert terraform(tmp_path, "destroy", "-auto-approve").returncode == 0
