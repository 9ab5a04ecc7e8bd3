import json
from typing import Any

import pytest

from tests.sandbox.batch_world import ARNS, MODEL, RefusedError, World


class TestComputeEnvironments:
    def test_given_a_managed_one_when_described_then_it_is_valid_and_has_aws_defaults(self, world: World) -> None:
        arn = world.environment("spot", tags={"a": "b"})

        (found,) = world.call("DescribeComputeEnvironments", computeEnvironments=[arn])["computeEnvironments"]

        assert (found["status"], found["state"], found["tags"]) == ("VALID", "ENABLED", {"a": "b"})
        assert found["computeResources"]["desiredvCpus"] == 0
        assert found["serviceRole"].endswith("AWSServiceRoleForBatch")

    def test_given_a_change_of_one_value_when_updated_then_the_others_stay(self, world: World) -> None:
        world.environment("spot")

        world.call("UpdateComputeEnvironment", computeEnvironment="spot", computeResources={"maxvCpus": 99})

        (found,) = world.call("DescribeComputeEnvironments")["computeEnvironments"]
        assert found["computeResources"]["maxvCpus"] == 99
        assert found["computeResources"]["subnets"] == ["subnet-1"]

    def test_given_an_enabled_one_when_deleted_then_refused(self, world: World) -> None:
        world.environment("spot")

        with pytest.raises(RefusedError, match="DISABLED"):
            world.call("DeleteComputeEnvironment", computeEnvironment="spot")

    def test_given_one_in_a_queue_when_deleted_then_refused_until_the_queue_is_gone(self, world: World) -> None:
        world.environment("spot")
        world.queue("spot")
        world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")

        with pytest.raises(RefusedError, match="JobQueue relationship"):
            world.call("DeleteComputeEnvironment", computeEnvironment="spot")
        world.call("UpdateJobQueue", jobQueue="spot", state="DISABLED")
        world.call("DeleteJobQueue", jobQueue="spot")
        world.call("DeleteComputeEnvironment", computeEnvironment="spot")

        assert world.call("DescribeComputeEnvironments")["computeEnvironments"] == []

    def test_given_no_subnets_when_created_then_the_member_is_named(self, world: World) -> None:
        with pytest.raises(RefusedError, match="subnets"):
            world.call(
                "CreateComputeEnvironment",
                computeEnvironmentName="x",
                type="MANAGED",
                computeResources={"type": "EC2", "maxvCpus": 1, "subnets": []},
            )

    def test_given_the_name_is_taken_when_created_then_refused(self, world: World) -> None:
        world.environment("spot")

        with pytest.raises(RefusedError, match="already exists"):
            world.environment("spot")


class TestQueues:
    def test_given_names_when_created_then_the_order_holds_arns(self, world: World) -> None:
        arns = [world.environment(name) for name in ("a", "b")]

        world.queue("q", ("a", "b"))

        (found,) = world.call("DescribeJobQueues", jobQueues=["q"])["jobQueues"]
        assert [entry["computeEnvironment"] for entry in found["computeEnvironmentOrder"]] == arns
        assert (found["status"], found["state"]) == ("VALID", "ENABLED")

    def test_given_no_such_environment_when_created_then_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="does not exist"):
            world.queue("q", ("nowhere",))

    def test_given_a_queue_without_policy_when_one_is_added_then_refused(self, world: World) -> None:
        world.environment()
        world.queue()
        policy = world.call("CreateSchedulingPolicy", name="fair")["arn"]

        with pytest.raises(RefusedError, match="cannot be added"):
            world.call("UpdateJobQueue", jobQueue="spot", schedulingPolicyArn=policy)

    def test_given_it_is_enabled_when_deleted_then_refused(self, world: World) -> None:
        world.environment()
        world.queue()

        with pytest.raises(RefusedError, match="DISABLED"):
            world.call("DeleteJobQueue", jobQueue="spot")

    def test_given_more_than_a_page_when_paginated_then_each_comes_once(self, world: World) -> None:
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
    def test_given_a_policy_when_updated_then_described_anew(self, world: World) -> None:
        arn = world.call(
            "CreateSchedulingPolicy",
            name="fair",
            fairsharePolicy={"shareDistribution": [{"shareIdentifier": "lab", "weightFactor": 0.5}]},
        )["arn"]

        world.call("UpdateSchedulingPolicy", arn=arn, fairsharePolicy={"shareDecaySeconds": 60})

        (found,) = world.call("DescribeSchedulingPolicies", arns=[arn])["schedulingPolicies"]
        assert found["fairsharePolicy"] == {"shareDecaySeconds": 60, "computeReservation": 0, "shareDistribution": []}
        assert world.call("ListSchedulingPolicies")["schedulingPolicies"] == [{"arn": arn}]

    def test_given_a_queue_uses_it_when_deleted_then_refused(self, world: World) -> None:
        arn = world.call("CreateSchedulingPolicy", name="fair")["arn"]
        world.environment()
        world.queue(schedulingPolicyArn=arn)

        with pytest.raises(RefusedError, match="JobQueue relationship"):
            world.call("DeleteSchedulingPolicy", arn=arn)


class TestJobDefinitions:
    def test_given_a_volume_that_docker_places_when_described_then_its_host_is_empty(self, world: World) -> None:
        place = {"sourcePath": "/data"}
        volumes = [{"name": "scratch"}, {"name": "data", "host": place}, {"name": "empty", "host": {}}]
        requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]
        container = {"image": "i", "resourceRequirements": requirements, "volumes": volumes}
        world.call("RegisterJobDefinition", jobDefinitionName="v", type="container", containerProperties=container)

        (found,) = world.call("DescribeJobDefinitions", jobDefinitionName="v")["jobDefinitions"]

        assert [each["host"] for each in found["containerProperties"]["volumes"]] == [{}, place, {}]

    def test_given_two_registrations_when_described_then_both_revisions_newest_first(self, world: World) -> None:
        world.definition()
        world.definition()

        found = world.call("DescribeJobDefinitions", jobDefinitionName="count", status="ACTIVE")["jobDefinitions"]

        assert [each["revision"] for each in found] == [2, 1]

    @pytest.mark.parametrize("reference", ["count:1", ARNS.of("job-definition", "count:1")])
    def test_given_a_revision_when_deregistered_then_inactive_and_its_number_not_reused(
        self, world: World, reference: str
    ) -> None:
        world.definition()

        world.call("DeregisterJobDefinition", jobDefinition=reference)

        assert world.definition().endswith("count:2")
        active = world.call("DescribeJobDefinitions", status="ACTIVE")["jobDefinitions"]
        assert [each["revision"] for each in active] == [2]

    def test_given_retry_rules_when_described_then_actions_are_in_lower_case_as_on_aws(self, world: World) -> None:
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
    def test_given_a_value_out_of_range_when_registered_then_the_rule_and_the_value_are_said(
        self, world: World, more: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(RefusedError, match=message):
            world.definition(**more)

    def test_given_no_memory_when_registered_then_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="MEMORY"):
            world.call(
                "RegisterJobDefinition",
                jobDefinitionName="x",
                type="container",
                containerProperties={"image": "i", "resourceRequirements": [{"type": "VCPU", "value": "1"}]},
            )


class TestTags:
    def test_given_any_resource_when_tagged_then_its_tags_are_listed(self, world: World) -> None:
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

    def test_given_no_such_resource_when_tagged_then_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="does not exist"):
            world.call("TagResource", resourceArn=ARNS.of("job-queue", "nowhere"), tags={"a": "b"})


class TestRequests:
    def test_given_an_operation_we_do_not_have_when_called_then_it_is_named(self, world: World) -> None:
        with pytest.raises(RefusedError, match="not supported in the sandbox: CreateConsumableResource") as refused:
            world.call("CreateConsumableResource", consumableResourceName="x")

        assert refused.value.code == "ClientException"

    def test_given_a_member_is_missing_when_called_then_it_is_named(self, world: World) -> None:
        with pytest.raises(RefusedError, match='Missing required parameter in input: "priority"'):
            world.call("CreateJobQueue", jobQueueName="q")

    def test_given_a_wrong_type_when_called_then_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="Invalid type for parameter priority"):
            world.call("CreateJobQueue", jobQueueName="q", priority="high")

    def test_given_a_foreign_arn_when_called_then_refused(self, world: World) -> None:
        arn = ARNS.of("job-queue", "q").replace("eu-central-1", "us-east-1")

        with pytest.raises(RefusedError, match="is not the ARN of a job-queue in eu-central-1"):
            world.call("DescribeJobQueues", jobQueues=[arn])

    def test_given_nulls_when_called_then_they_count_as_left_out(self, world: World) -> None:
        world.environment()

        world.queue(state=None, tags=None)

        assert world.call("DescribeJobQueues")["jobQueues"][0]["state"] == "ENABLED"


def test_given_aws_model_when_our_operations_are_listed_then_each_exists_there(world: World) -> None:
    ours = json.loads(json.dumps(sorted(world._api._operations)))

    assert set(ours) <= set(MODEL.operation_names)
