"""State in S3: the backend that `prod` has, in the bucket and with the roles of the bootstrap stack."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import github
from tests.e2e.lab import STATE_BUCKET, Lab, until

pytestmark = pytest.mark.e2e

KEY = "dropbatch/prod.tfstate"


class Workplace:
    """Apply a small stack with the backend of `prod`, in its own folder and with its own role."""

    def __init__(self, lab: Lab, folder: Path, role: str) -> None:
        self.folder = folder
        self.lab = lab
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self.environ |= lab.environ | github.credentials(lab.environ, role)
        self.environ |= {"CHECKPOINT_DISABLE": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        folder.mkdir()
        (folder / "main.tf.json").write_text(json.dumps(self._stack()))
        done = self.start("init")
        assert done.wait() == 0, done.communicate()[0]

    def _stack(self) -> dict[str, Any]:
        written = json.loads((self.lab.root / "cdktf.out/stacks/prod/cdk.tf.json").read_text())
        backend = written["terraform"]["backend"]["s3"]
        assert (backend["key"], backend["use_lockfile"], backend["encrypt"]) == (KEY, True, True)
        here = {
            "bucket": STATE_BUCKET,
            "use_path_style": True,
            "skip_credentials_validation": True,
            "skip_requesting_account_id": True,
            "endpoints": {"s3": self.lab.environ["AWS_ENDPOINT_URL"]},
        }
        waiting = {"command": "until [ -e '${var.until}' ]; do sleep 0.1; done"}
        return {
            "terraform": {"backend": {"s3": backend | here}},
            "variable": {"name": {"default": "first"}, "until": {"default": "/"}},
            "resource": {
                "terraform_data": {
                    "slow": {"triggers_replace": ["${var.name}"], "provisioner": [{"local-exec": waiting}]}
                }
            },
            "output": {"name": {"value": "${var.name}"}},
        }

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["terraform", command, "-input=false", "-no-color", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def apply(self, name: str, until: str = "/") -> subprocess.Popen[str]:
        """Start an apply that continues until a file exists."""
        return self.start("apply", "-auto-approve", f"-var=name={name}", f"-var=until={until}")


@pytest.fixture(autouse=True)
def _no_state_after(lab: Lab) -> Iterator[None]:
    yield
    versions = lab.s3.list_object_versions(Bucket=STATE_BUCKET)
    for each in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
        lab.s3.delete_object(Bucket=STATE_BUCKET, Key=each["Key"], VersionId=each["VersionId"])


def kept(lab: Lab) -> Any:
    return json.loads(lab.s3.get_object(Bucket=STATE_BUCKET, Key=KEY)["Body"].read())


def test_one_of_two_concurrent_applies_is_refused_and_the_state_is_intact(lab: Lab, tmp_path: Path) -> None:
    def locked() -> bool | None:
        listed = lab.s3.list_objects_v2(Bucket=STATE_BUCKET).get("Contents", [])
        return any(each["Key"] == f"{KEY}.tflock" for each in listed) or None

    # Given somebody who applies
    one, two = (Workplace(lab, tmp_path / name, "deploy-prod") for name in ("one", "two"))
    go = tmp_path / "go"
    first = one.apply("first", until=str(go))
    until(locked, "the lock")

    # When somebody else applies meanwhile
    second = two.apply("second")
    refused, _ = second.communicate(timeout=60)

    # Then the other is refused, and is told who holds the lock
    assert second.returncode == 1
    assert "Error acquiring the state lock" in refused
    go.touch()
    done, _ = first.communicate(timeout=60)
    assert first.returncode == 0, done

    # And the state is that of the first, complete and unlocked
    state = kept(lab)
    assert state["outputs"]["name"]["value"] == "first"
    assert [each["type"] for each in state["resources"]] == ["terraform_data"]
    assert locked() is None
    again = two.apply("second")
    text, _ = again.communicate(timeout=60)
    assert again.returncode == 0, text
    assert (kept(lab)["lineage"], kept(lab)["serial"] > state["serial"]) == (state["lineage"], True)


def test_the_plan_role_plans_without_a_lock_and_cannot_change_the_state(lab: Lab, tmp_path: Path) -> None:
    done = Workplace(lab, tmp_path / "deploy", "deploy-prod").apply("first")
    assert done.wait(60) == 0, done.communicate()[0]
    before = kept(lab)
    reader = Workplace(lab, tmp_path / "plan", "plan")

    plan = reader.start("plan", "-lock=false", "-var=name=second")
    text, _ = plan.communicate(timeout=60)
    change = reader.start("apply", "-auto-approve", "-lock=false", "-var=name=second")
    refusal, _ = change.communicate(timeout=60)

    assert plan.returncode == 0, text
    assert '"first" -> "second"' in text
    assert change.returncode == 1
    assert "AccessDenied" in refusal
    assert kept(lab) == before
