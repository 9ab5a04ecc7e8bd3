import json
import re

import pytest

from constructs_lib.policy import Statement
from dropbatch.contract.deployment import Deployment
from dropbatch.settings import load
from tests.constructs_lib.synthesis import Stack, read_stacks, run_main
from tests.project import SHIPPED


def test_every_resource_has_the_cost_tag(stacks: dict[str, Stack]) -> None:
    for name, stack in stacks.items():
        (provider,) = stack.body["provider"]["aws"]
        assert provider["default_tags"] == [{"tags": {"research-stack-id": f"dropbatch-{name}"}}]
        assert "allowed_account_ids" not in provider


def test_state_in_s3_is_locked_by_a_file(stacks: dict[str, Stack]) -> None:
    assert stacks["prod"].body["terraform"]["backend"] == {
        "s3": {
            "bucket": "dropbatch-state-CHANGE-ME",
            "key": "dropbatch/prod.tfstate",
            "region": "eu-central-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def test_local_state_is_outside_the_synthesized_output(stacks: dict[str, Stack]) -> None:
    assert stacks["dev"].body["terraform"]["backend"] == {"local": {"path": "../../../terraform.dev.tfstate"}}


def test_only_the_account_of_the_settings_is_allowed(project, tmp_path) -> None:
    dev = project / "environments/dev.toml"
    dev.write_text(dev.read_text().replace("disposable = true", 'disposable = true\naccount_id = "123456789012"'))
    assert run_main(project, tmp_path / "cdktf.out").returncode == 0
    (provider,) = read_stacks(tmp_path / "cdktf.out")["dev"].body["provider"]["aws"]
    assert provider["allowed_account_ids"] == ["123456789012"]


def test_the_parameter_holds_the_values_that_the_command_reads(stacks: dict[str, Stack]) -> None:
    parameter = stacks["dev"].one("aws_ssm_parameter", name="/dropbatch/dev")
    value = json.loads(parameter["value"])
    assert {name: value[name] for name in ("version", "environment", "region", "groups", "pipelines")} == {
        "version": 1,
        "environment": "dev",
        "region": "eu-central-1",
        "groups": ["lab"],
        "pipelines": ["wordcount"],
    }
    assert set(value["pools"]) == {"spot", "ondemand"}
    assert set(value) >= {"input_bucket", "output_bucket", "ledger_table", "log_group"}
    assert set(value) >= {"arrival_queue_url", "operators_topic_arn"}
    assert value["prices"] == {}
    assert value["needs"] == {"wordcount": [1, 1800, 60, 2]}


def test_the_parameter_holds_the_prices_of_pools(project, tmp_path) -> None:
    dev = project / "environments/dev.toml"
    prices = "usd_per_vcpu_hour = 0.0123\nusd_per_gib_hour = 0"
    dev.write_text(dev.read_text().replace('kind = "spot"', f'kind = "spot"\n{prices}'))
    assert run_main(project, tmp_path / "cdktf.out").returncode == 0
    parameter = read_stacks(tmp_path / "cdktf.out")["dev"].one("aws_ssm_parameter", name="/dropbatch/dev")
    assert json.loads(parameter["value"])["prices"] == {"spot": [0.0123, 0]}


def test_functions_receive_the_names_of_the_stack(stacks: dict[str, Stack]) -> None:
    told: Deployment = load(SHIPPED / "environments/dev.toml").deployment()
    stack = stacks["dev"]
    assert {each["name"] for each in stack.resources("aws_batch_job_queue")} == {
        pool.queue for pool in told.pools.values()
    }
    assert {each["name"] for each in stack.resources("aws_batch_job_definition")} == {
        name for pipeline in told.pipelines.values() for name in pipeline.definitions.values()
    }


def test_job_events_of_every_pool_are_delivered(stacks: dict[str, Stack]) -> None:
    stack = stacks["dev"]
    rule = stack.one("aws_cloudwatch_event_rule", name="dropbatch-dev-job-events")
    heard = json.loads(rule["event_pattern"])["detail"]["jobQueue"]
    assert heard == [
        f"${{{stack.address('aws_batch_job_queue', name=f'dropbatch-dev-{pool}')}.arn}}"
        for pool in ("spot", "ondemand")
    ]


def test_construct_ids_name_no_environment(stacks: dict[str, Stack]) -> None:
    stacks = {name: stack for name, stack in stacks.items() if name != "bootstrap"}
    assert [set(stack.types()) for stack in stacks.values()].count(set(stacks["dev"].types())) == len(stacks)
    for type_ in stacks["dev"].types():
        ids = [{each for each in stack.body["resource"][type_] if "Kept" not in each} for stack in stacks.values()]
        assert all(each == ids[0] for each in ids)


def test_destroying_a_kept_environment_gives_a_message(stacks: dict[str, Stack]) -> None:
    (message,) = (each for each in stacks["prod"].resources("terraform_data") if "input" in each)
    text = message["input"]["message"]
    for thing in ("input bucket: ${aws_s3_bucket.", "output bucket: ${aws_s3_bucket.", "ledger: ${", "images: ${"):
        assert f"  {thing}" in text
    assert "set disposable = true in environments/prod.toml" in text
    assert message["provisioner"][0]["local-exec"]["when"] == "destroy"
    for type_ in ("aws_s3_bucket_policy", "aws_s3_bucket_public_access_block", "aws_dynamodb_table"):
        for name in stacks["prod"].body["resource"][type_]:
            assert f"{type_}.{name}" in message["depends_on"]
    assert not [each for each in stacks["dev"].resources("terraform_data") if "input" in each]


def test_every_resource_waits_for_the_preflight(stacks: dict[str, Stack]) -> None:
    """A resource waits itself, or through one it refers to."""
    for environment in ("dev", "prod", "sandbox"):
        resources = {
            f"{type_}.{name}": json.dumps(each)
            for type_, found in stacks[environment].body["resource"].items()
            for name, each in found.items()
        }
        (check,) = (name for name in resources if name.startswith("terraform_data.Preflight"))
        waiting = {check}
        while more := {
            name
            for name, text in resources.items()
            if name not in waiting and any(re.search(rf"{re.escape(each)}\b(?!-)", text) for each in waiting)
        }:
            waiting |= more

        assert resources.keys() - waiting == set()


def test_grants_with_wildcard_actions_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("grants must name their actions, got ['s3:*']: list each action")):
        Statement(sid="All", actions=["s3:*"], resources=["*"])
