"""An existing bucket replaces ours: the deploy leaves our bucket alone, applied and not only planned."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.forgotten import OWN_INPUTS
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.terraform import Terraform
from tests.infra.plans import BASE, stack_of
from tests.sandbox.conftest import Client

Json = dict[str, Any]
OURS, THEIRS = f'[storage]\nweb_origins = ["https://a.org"]\n{BASE}', f'[storage]\ninput_bucket = "labdata"\n{BASE}'
SLOW = "aws_s3_bucket_lifecycle_configuration"  # a minute of the provider's waits


def inputs_of(body: Json) -> set[str]:
    return {
        f"{type_}.{name}" for type_, found in body["resource"].items() for name in found if name.startswith("Inputs_")
    }


def test_replacing_our_bucket_keeps_it_and_removes_what_starts_runs_from_it() -> None:
    before, after = stack_of(OURS).body, stack_of(THEIRS).body

    assert not inputs_of(after)
    assert inputs_of(before) - set(OWN_INPUTS) == {"aws_s3_bucket_notification.Inputs_Notification_C11BB628"}
    assert set(OWN_INPUTS) <= inputs_of(before)
    assert after["removed"] == [{"from": each, "lifecycle": {"destroy": False}} for each in OWN_INPUTS]
    assert "removed" not in before


def test_the_bucket_of_a_disposable_environment_is_deleted() -> None:
    disposable = THEIRS.replace("[environment]\n", "[environment]\ndisposable = true\n")

    assert "removed" not in stack_of(disposable).body


@pytest.mark.e2e
def test_our_replaced_bucket_keeps_all_its_objects(sandbox: Sandbox, aws: Client, tmp_path: Path) -> None:
    s3, folder = aws("s3"), tmp_path / "cdktf.out" / "stacks" / "lab1"
    folder.mkdir(parents=True)

    def applied(body: Json) -> Terraform:
        (folder / "cdk.tf.json").write_text(json.dumps(body))
        terraform = Terraform(tmp_path, "lab1", sandbox.environ())
        terraform.apply()
        return terraform

    # Given an input bucket of ours with a file in it
    before, after = (copy.deepcopy(stack_of(text).body) for text in (OURS, THEIRS))
    common = {name: before[name] for name in ("terraform", "provider", "data")}
    ours = {address.partition(".") for address in OWN_INPUTS if not address.startswith(SLOW)}
    resources: Json = {type_: {name: before["resource"][type_][name]} for type_, _, name in ours}
    for found in resources.values():
        for body in found.values():
            body["depends_on"] = [each for each in body.get("depends_on", []) if not each.startswith("terraform_")]
    applied(common | {"resource": resources})
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"] if "lab1-input" in each["Name"])
    s3.put_object(Bucket=bucket, Key="lab/count/x.txt", Body=b"x")

    # When a bucket of others takes its place
    terraform = applied(common | {"removed": after["removed"]})

    # Then it is still there, and as closed as before
    assert s3.get_object(Bucket=bucket, Key="lab/count/x.txt")["Body"].read() == b"x"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert "RefusePlainHttp" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    # and it is no longer in the state of Terraform
    assert list(terraform.plan().changes) == []
    known = json.loads(terraform.state_file.read_text())["resources"]
    assert [each for each in known if each["mode"] == "managed"] == []
