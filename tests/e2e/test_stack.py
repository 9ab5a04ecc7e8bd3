"""The stack as Terraform sees it: valid, without drift, changed when its sources change, gone when destroyed."""

import pytest

from tests.e2e.lab import STATE_BUCKET, Lab

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_every_other_environment_is_valid_and_plans(lab: Lab, environment: str) -> None:
    terraform = lab.terraform(environment, role="plan")

    terraform.validate()
    plan = terraform.plan()

    assert plan.changes
    assert {action for change in plan.changes for action in change.actions} == {"create"}


@pytest.mark.parametrize("stack", ["sandbox", "bootstrap"])
def test_after_apply_there_is_nothing_left_to_do(lab: Lab, stack: str) -> None:
    terraform = lab.terraform(stack, role="plan")

    terraform.validate()

    assert list(terraform.plan().changes) == []


@pytest.mark.last
def test_destroy_leaves_nothing(lab: Lab) -> None:
    lab.terraform().destroy()

    assert lab.terraform().state_file.exists()
    assert [bucket["Name"] for bucket in lab.s3.list_buckets()["Buckets"]] == [STATE_BUCKET]
    assert lab.dynamodb.list_tables()["TableNames"] == []
    assert lab.client("sqs").list_queues().get("QueueUrls", []) == []
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("sns").list_topics()["Topics"] == []
    batch = lab.client("batch")
    assert batch.describe_compute_environments()["computeEnvironments"] == []
    assert batch.describe_job_queues()["jobQueues"] == []
    assert batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"] == []
    roles = [role["RoleName"] for role in lab.client("iam").list_roles()["Roles"]]
    assert [role for role in roles if role.startswith("dropbatch-sandbox")] == []
    ours = [{"Name": "tag:research-stack-id", "Values": ["dropbatch-sandbox"]}]
    ec2 = lab.client("ec2")
    assert ec2.describe_vpcs(Filters=ours)["Vpcs"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert lab.client("ecr").describe_repositories()["repositories"] == []
    assert lab.client("ssm").describe_parameters()["Parameters"] == []
    assert lab.client("logs").describe_log_groups(logGroupNamePrefix="/dropbatch/")["logGroups"] == []
    assert lab.client("logs").describe_log_groups(logGroupNamePrefix="/aws/events/dropbatch")["logGroups"] == []
    assert lab.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert lab.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    rules = lab.client("events").list_rules()["Rules"]
    assert [rule["Name"] for rule in rules if "dropbatch" in rule["Name"]] == []
