"""State in S3: the backend that `prod` has, in the sandbox, with two applies at once."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

BUCKET = "dropbatch-state-000000000000-eu-central-1"


def workplace(lab: Lab, folder: Path) -> Path:
    """A small stack with the backend that `prod` has; bucket and endpoint are those of the sandbox."""
    backend = json.loads((lab.root / "cdktf.out/stacks/prod/cdk.tf.json").read_text())["terraform"]["backend"]["s3"]
    assert backend["use_lockfile"] is True
    backend |= {
        "bucket": BUCKET,
        "use_path_style": True,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "endpoints": {"s3": lab.environ["AWS_ENDPOINT_URL"]},
    }
    slow = {"triggers_replace": ["${var.name}"], "provisioner": [{"local-exec": {"command": "sleep ${var.seconds}"}}]}
    folder.mkdir()
    (folder / "main.tf.json").write_text(
        json.dumps(
            {
                "terraform": {"backend": {"s3": backend}},
                "variable": {"name": {"default": "first"}, "seconds": {"default": 0}},
                "resource": {"terraform_data": {"slow": slow}},
                "output": {"name": {"value": "${var.name}"}},
            }
        )
    )
    environ = terraform_environ(lab)
    subprocess.run(["terraform", "init", "-input=false"], cwd=folder, env=environ, check=True, capture_output=True)
    return folder


def terraform_environ(lab: Lab) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return plain | lab.environ | {"CHECKPOINT_DISABLE": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def apply(lab: Lab, folder: Path, name: str, seconds: int) -> subprocess.Popen[str]:
    command = ["terraform", "apply", "-auto-approve", "-input=false", "-no-color", f"-var=name={name}"]
    return subprocess.Popen(
        [*command, f"-var=seconds={seconds}"],
        cwd=folder,
        env=terraform_environ(lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_of_two_applies_at_once_one_is_refused_and_the_state_is_whole(lab: Lab, tmp_path: Path) -> None:
    lab.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    lab.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    try:
        # Given somebody who applies
        one, two = workplace(lab, tmp_path / "one"), workplace(lab, tmp_path / "two")
        first = apply(lab, one, "first", seconds=6)

        def locked() -> bool | None:
            listed = lab.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
            return True if any(each["Key"] == "dropbatch/prod.tfstate.tflock" for each in listed) else None

        until(locked, "the lock")

        # When somebody else applies meanwhile
        began = time.monotonic()
        second = apply(lab, two, "second", seconds=0)
        refused, _ = second.communicate(timeout=60)

        # Then the other is refused at once, and is told who holds the lock
        assert second.returncode == 1
        assert "Error acquiring the state lock" in refused
        assert first.poll() is None, f"the first ended before the second was refused ({time.monotonic() - began:.1f} s)"
        done, _ = first.communicate(timeout=60)
        assert first.returncode == 0, done

        # And the state is the first one's, whole, and not locked any more
        state = json.loads(lab.s3.get_object(Bucket=BUCKET, Key="dropbatch/prod.tfstate")["Body"].read())
        assert state["outputs"]["name"]["value"] == "first"
        assert [each["type"] for each in state["resources"]] == ["terraform_data"]
        assert locked() is None
        again = apply(lab, two, "second", seconds=0)
        text, _ = again.communicate(timeout=60)
        assert again.returncode == 0, text
        after = json.loads(lab.s3.get_object(Bucket=BUCKET, Key="dropbatch/prod.tfstate")["Body"].read())
        assert (after["lineage"], after["serial"] > state["serial"]) == (state["lineage"], True)
    finally:
        for each in lab.s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
            lab.s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
        for each in lab.s3.list_object_versions(Bucket=BUCKET).get("DeleteMarkers", []):
            lab.s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
        lab.s3.delete_bucket(Bucket=BUCKET)
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
