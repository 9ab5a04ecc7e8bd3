"""``dropbatch invite``; tests/e2e/test_groups.py tests the rights of an invited user."""

import json
from typing import Any

from tests.cli.conftest import REGION, World


def keys(iam: Any) -> list[str]:
    found = iam.list_access_keys(UserName="dropbatch-sandbox-anna")["AccessKeyMetadata"]
    return [each["AccessKeyId"] for each in found]


def test_a_first_key_is_printed_as_a_profile(world: World, iam: Any) -> None:
    result = world.call("invite", "anna")

    assert result.exit_code == 0, result.output
    (key,) = keys(iam)
    head, key_id, secret, region = result.stdout.splitlines()
    assert (head, key_id, region) == ("[dropbatch-sandbox]", f"aws_access_key_id = {key}", f"region = {REGION}")
    assert secret.startswith("aws_secret_access_key = ")
    assert "AWS_PROFILE=dropbatch-sandbox dropbatch --env sandbox status" in result.stderr
    assert secret.rpartition(" ")[2] not in result.stderr


def test_a_second_key_replaces_the_first_only_on_request(world: World, iam: Any) -> None:
    world.call("invite", "anna")
    (first,) = keys(iam)

    refused = world.call("invite", "anna")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "anna has had a key since" in refused.stderr
    assert keys(iam) == [first]

    result = world.call("invite", "anna", "--replace")
    assert result.exit_code == 0, result.output
    assert len(keys(iam)) == 1
    assert keys(iam) != [first]


def test_only_users_of_the_environment_file_are_invited(world: World) -> None:
    result = world.call("invite", "eve")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "sandbox has no user named eve: add the name to users of a [group.<name>]" in result.stderr


def test_a_key_is_stored_nowhere(world: World, iam: Any) -> None:
    secret = world.call("invite", "anna").stdout.splitlines()[2].rpartition(" ")[2]

    files = [path for path in world.root.rglob("*") if path.is_file() and path.suffix in {".toml", ".json", ".tfstate"}]
    assert not [path for path in files if secret in path.read_text(errors="ignore")]
    assert secret not in json.dumps(world.ssm.get_parameter(Name="/dropbatch/sandbox")["Parameter"]["Value"])


def test_the_key_is_printed_as_json(world: World, iam: Any) -> None:
    body = json.loads(world.call("invite", "anna", "--json").stdout)

    assert body.keys() == {"user", "aws_access_key_id", "aws_secret_access_key", "region"}
    assert keys(iam) == [body["aws_access_key_id"]]
