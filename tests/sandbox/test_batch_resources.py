import json
from typing import Any

import pytest

from tests.sandbox.batch_world import ARNS, MODEL, RefusedError, World


class TestComputeEnvironments:
    def test_a_managed_environment_is_described_with_the_defaults_of_aws(self, world: World) -> None:
        arn = world.environment("spot", tags={"a": "b"})

        (found,) = world.call("DescribeComputeEnvironments", computeEnvironments=[arn])["computeEnvironments"]

        assert (found["status"], found["state"], found["tags"]) == ("VALID", "ENABLED", {"a": "b"})
        assert found["computeResources"]["desiredvCpus"] == 0
        assert found["serviceRole"].endswith("AWSServiceRoleForBatch")

    def test_an_update_of_one_value_keeps_the_others(self, world: World) -> None:
        world.environment("spot")

        world.call("UpdateComputeEnvironment", computeEnvironment="spot", computeResources={"maxvCpus": 99})

        (found,) = world.call("DescribeComputeEnvironments")["computeEnvironments"]
        assert found["computeResources"]["maxvCpus"] == 99
        assert found["computeResources"]["subnets"] == ["subnet-1"]

    def test_an_enabled_environment_cannot_be_deleted(self, world: World) -> None:
        world.environment("spot")

        with pytest.raises(RefusedError, match="DISABLED"):
            world.call("DeleteComputeEnvironment", computeEnvironment="spot")

    def test_an_environment_in_a_queue_cannot_be_deleted(self, world: World) -> None:
        world.environment("spot")
        world.queue("spot")
        world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")

        with pytest.raises(RefusedError, match="JobQueue relationship"):
            world.call("DeleteComputeEnvironment", computeEnvironment="spot")
        world.call("UpdateJobQueue", jobQueue="spot", state="DISABLED")
        world.call("DeleteJobQueue", jobQueue="spot")
        world.call("DeleteComputeEnvironment", computeEnvironment="spot")

        assert world.call("DescribeComputeEnvironments")["computeEnvironments"] == []

    def test_creating_without_subnets_names_the_missing_member(self, world: World) -> None:
        with pytest.raises(RefusedError, match="subnets"):
            world.call(
                "CreateComputeEnvironment",
                computeEnvironmentName="x",
                type="MANAGED",
                computeResources={"type": "EC2", "maxvCpus": 1, "subnets": []},
            )

    def test_creating_with_a_taken_name_is_refused(self, world: World) -> None:
        world.environment("spot")

        with pytest.raises(RefusedError, match="already exists"):
            world.environment("spot")


class TestQueues:
    def test_a_queue_created_with_names_lists_arns(self, world: World) -> None:
        arns = [world.environment(name) for name in ("a", "b")]

        world.queue("q", ("a", "b"))

        (found,) = world.call("DescribeJobQueues", jobQueues=["q"])["jobQueues"]
        assert [entry["computeEnvironment"] for entry in found["computeEnvironmentOrder"]] == arns
        assert (found["status"], found["state"]) == ("VALID", "ENABLED")

    def test_a_queue_with_an_unknown_environment_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="does not exist"):
            world.queue("q", ("nowhere",))

    def test_a_queue_without_a_policy_cannot_get_one(self, world: World) -> None:
        world.environment()
        world.queue()
        policy = world.call("CreateSchedulingPolicy", name="fair")["arn"]

        with pytest.raises(RefusedError, match="cannot be added"):
            world.call("UpdateJobQueue", jobQueue="spot", schedulingPolicyArn=policy)

    def test_an_enabled_queue_cannot_be_deleted(self, world: World) -> None:
        world.environment()
        world.queue()

        with pytest.raises(RefusedError, match="DISABLED"):
            world.call("DeleteJobQueue", jobQueue="spot")

    def test_paging_returns_each_queue_once(self, world: World) -> None:
        world.environment()
        for number in range(5):
            world.queue(f"q{number}")

        names: list[str] = []
        more: dict[str, Any] = {"maxResults": 2}
        while more:
            page = world.call("DescribeJobQueues", **more)
            names += [each["jobQueueName"] for each in page["jobQueues"]]
            more = {"maxResults": 2, "nextToken": page["nextToken"]} if "nextToken" in page else {}

        assert names == [f"q{number}" for number in range(5)]


class TestSchedulingPolicies:
    def test_an_updated_policy_is_described_anew(self, world: World) -> None:
        arn = world.call(
            "CreateSchedulingPolicy",
            name="fair",
            fairsharePolicy={"shareDistribution": [{"shareIdentifier": "lab", "weightFactor": 0.5}]},
        )["arn"]

        world.call("UpdateSchedulingPolicy", arn=arn, fairsharePolicy={"shareDecaySeconds": 60})

        (found,) = world.call("DescribeSchedulingPolicies", arns=[arn])["schedulingPolicies"]
        assert found["fairsharePolicy"] == {"shareDecaySeconds": 60, "computeReservation": 0, "shareDistribution": []}
        assert world.call("ListSchedulingPolicies")["schedulingPolicies"] == [{"arn": arn}]

    def test_a_policy_used_by_a_queue_cannot_be_deleted(self, world: World) -> None:
        arn = world.call("CreateSchedulingPolicy", name="fair")["arn"]
        world.environment()
        world.queue(schedulingPolicyArn=arn)

        with pytest.raises(RefusedError, match="JobQueue relationship"):
            world.call("DeleteSchedulingPolicy", arn=arn)


class TestJobDefinitions:
    def test_a_volume_placed_by_docker_is_described_with_an_empty_host(self, world: World) -> None:
        place = {"sourcePath": "/data"}
        volumes = [{"name": "scratch"}, {"name": "data", "host": place}, {"name": "empty", "host": {}}]
        requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]
        container = {"image": "i", "resourceRequirements": requirements, "volumes": volumes}
        world.call("RegisterJobDefinition", jobDefinitionName="v", type="container", containerProperties=container)

        (found,) = world.call("DescribeJobDefinitions", jobDefinitionName="v")["jobDefinitions"]

        assert [each["host"] for each in found["containerProperties"]["volumes"]] == [{}, place, {}]

    def test_revisions_are_described_newest_first(self, world: World) -> None:
        world.definition()
        world.definition()

        found = world.call("DescribeJobDefinitions", jobDefinitionName="count", status="ACTIVE")["jobDefinitions"]

        assert [each["revision"] for each in found] == [2, 1]

    @pytest.mark.parametrize("reference", ["count:1", ARNS.of("job-definition", "count:1")])
    def test_a_deregistered_revision_is_inactive_and_its_number_is_not_reused(
        self, world: World, reference: str
    ) -> None:
        world.definition()

        world.call("DeregisterJobDefinition", jobDefinition=reference)

        assert world.definition().endswith("count:2")
        active = world.call("DescribeJobDefinitions", status="ACTIVE")["jobDefinitions"]
        assert [each["revision"] for each in active] == [2]

    def test_actions_of_retry_rules_are_described_in_lower_case(self, world: World) -> None:
        rules = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
        arn = world.definition(retryStrategy={"attempts": 3, "evaluateOnExit": rules})

        (found,) = world.call("DescribeJobDefinitions", jobDefinitions=[arn])["jobDefinitions"]

        assert [rule["action"] for rule in found["retryStrategy"]["evaluateOnExit"]] == ["retry", "exit"]

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60, got 59"),
            ({"retryStrategy": {"attempts": 11}}, "must be 1 to 10, got 11"),
            ({"retryStrategy": {"evaluateOnExit": [{"onReason": "*", "action": "EXIT"}] * 6}}, "at most 5"),
        ],
    )
    def test_a_value_out_of_range_is_refused_with_the_rule_and_the_value(
        self, world: World, more: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(RefusedError, match=message):
            world.definition(**more)

    def test_a_definition_without_memory_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="MEMORY"):
            world.call(
                "RegisterJobDefinition",
                jobDefinitionName="x",
                type="container",
                containerProperties={"image": "i", "resourceRequirements": [{"type": "VCPU", "value": "1"}]},
            )


class TestTags:
    def test_tags_of_any_resource_are_listed(self, world: World) -> None:
        world.ready()
        job = ARNS.of("job", world.submit("wait", tags={"old": "1"}))
        policy = world.call("CreateSchedulingPolicy", name="fair")["arn"]
        for arn in (
            job,
            policy,
            ARNS.of("compute-environment", "spot"),
            ARNS.of("job-queue", "spot"),
            ARNS.of("job-definition", "count:1"),
        ):
            world.call("TagResource", resourceArn=arn, tags={"new": "2"})
            world.call("UntagResource", resourceArn=arn, tagKeys=["old"])

            assert world.call("ListTagsForResource", resourceArn=arn)["tags"] == {"new": "2"}

    def test_tagging_an_unknown_resource_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="does not exist"):
            world.call("TagResource", resourceArn=ARNS.of("job-queue", "nowhere"), tags={"a": "b"})


class TestRequests:
    def test_an_unsupported_operation_is_named(self, world: World) -> None:
        with pytest.raises(RefusedError, match="not supported in the sandbox: CreateConsumableResource") as refused:
            world.call("CreateConsumableResource", consumableResourceName="x")

        assert refused.value.code == "ClientException"

    def test_a_missing_member_is_named(self, world: World) -> None:
        with pytest.raises(RefusedError, match='Missing required parameter in input: "priority"'):
            world.call("CreateJobQueue", jobQueueName="q")

    def test_a_value_of_a_wrong_type_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="Invalid type for parameter priority"):
            world.call("CreateJobQueue", jobQueueName="q", priority="high")

    def test_an_arn_of_another_region_is_refused(self, world: World) -> None:
        arn = ARNS.of("job-queue", "q").replace("eu-central-1", "us-east-1")

        with pytest.raises(RefusedError, match="is not the ARN of a job-queue in eu-central-1"):
            world.call("DescribeJobQueues", jobQueues=[arn])

    def test_nulls_count_as_omitted(self, world: World) -> None:
        world.environment()

        world.queue(state=None, tags=None)

        assert world.call("DescribeJobQueues")["jobQueues"][0]["state"] == "ENABLED"


def test_every_operation_exists_in_the_model_of_aws(world: World) -> None:
    ours = json.loads(json.dumps(sorted(world._api._operations)))

    assert set(ours) <= set(MODEL.operation_names)
