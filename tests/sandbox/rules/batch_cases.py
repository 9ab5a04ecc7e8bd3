"""Cases for the rules of AWS Batch."""

from typing import Any

from dropbatch.sandbox.rules import Known
from tests.sandbox.rules.cases import Case

FAIR = Known(queue={"jobQueueName": "q", "schedulingPolicyArn": "arn"}, definition={})
FIFO = Known(queue={"jobQueueName": "q"}, definition={})
FAIR_WITH_PRIORITY = Known(queue=FAIR.queue, definition={"schedulingPriority": 0})


def retry(**rule: str) -> dict[str, Any]:
    return {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", **rule}]}}


def rules(count: int) -> dict[str, Any]:
    return {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}] * count}}


def needs(kind: str, value: str) -> dict[str, Any]:
    return {"containerOverrides": {"resourceRequirements": [{"type": kind, "value": value}]}}


def variable(name: str) -> dict[str, Any]:
    return {"containerOverrides": {"environment": [{"name": name, "value": "1"}]}}


def time_limit(**change: Any) -> dict[str, Any]:
    reason = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    action = {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL", **change}
    return {"jobStateTimeLimitActions": [action]}


def shares(*names: str, weight: float = 1.0) -> dict[str, Any]:
    each = [{"shareIdentifier": name, "weightFactor": weight} for name in names]
    return {"fairsharePolicy": {"shareDistribution": each}}


def machines(**resources: Any) -> dict[str, Any]:
    given = {"type": "SPOT", "subnets": ["s"], "instanceRole": "r", "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}
    return {"type": "MANAGED", "computeResources": {**given, **resources}}


def submitted(limit: dict[str, Any], beyond: dict[str, Any], rule: str, said: str, known: Known = FIFO) -> Case:
    return Case(rule, "SubmitJob", limit, beyond, said, known)


JOBS = [
    submitted({"jobName": "9" + "a" * 127}, {"jobName": "a" * 129}, "job name", "1 to 128"),
    submitted({"jobName": "a-b_C"}, {"jobName": "-a"}, "job name", "first"),
    submitted({"shareIdentifier": "a" * 255}, {"shareIdentifier": "a" * 256}, "share identifier", "1 to 255", FAIR),
    submitted({"shareIdentifier": "lab1"}, {"shareIdentifier": "a-b"}, "share identifier", "digits", FAIR),
    submitted(
        {"shareIdentifier": "lab"}, {}, "share identifier only and always with a fair-share policy", "required", FAIR
    ),
    submitted(
        {}, {"shareIdentifier": "lab"}, "share identifier only and always with a fair-share policy", "has no", FIFO
    ),
    submitted(
        {"shareIdentifier": "lab", "schedulingPriorityOverride": 0},
        {"shareIdentifier": "lab"},
        "scheduling priority with a fair-share policy",
        "Either schedulingPriority in job definition or schedulingPriorityOverride is required.",
        FAIR,
    ),
    submitted(
        {"schedulingPriorityOverride": 9999}, {"schedulingPriorityOverride": 10_000}, "scheduling priority", "9,999"
    ),
    submitted({"schedulingPriorityOverride": 0}, {"schedulingPriorityOverride": -1}, "scheduling priority", "0 to"),
    submitted({"arrayProperties": {"size": 2}}, {"arrayProperties": {"size": 1}}, "array size", "2 to 10,000"),
    submitted({"arrayProperties": {"size": 10_000}}, {"arrayProperties": {"size": 10_001}}, "array size", "10,001"),
    submitted({"dependsOn": [{}] * 20}, {"dependsOn": [{}] * 21}, "dependencies", "at most 20 jobs, got 21"),
    submitted({"retryStrategy": {"attempts": 10}}, {"retryStrategy": {"attempts": 11}}, "attempts", "1 to 10"),
    submitted({"retryStrategy": {"attempts": 1}}, {"retryStrategy": {"attempts": 0}}, "attempts", "1 to 10"),
    submitted(rules(5), rules(6), "retry rules", "at most 5 rules"),
    submitted(
        rules(1), {"retryStrategy": {"evaluateOnExit": [{"action": "EXIT"}]}}, "attempts with retry rules", "required"
    ),
    submitted(retry(onReason="Host EC2*"), retry(onReason="a*b"), "pattern of a retry rule", "at most 512 letters"),
    submitted(retry(onStatusReason="a" * 512), retry(onStatusReason="a" * 513), "pattern of a retry rule", "512"),
    submitted(retry(onExitCode="13*"), retry(onExitCode="x"), "exit code of a retry rule", "digits"),
    submitted(retry(action="exit"), retry(action="again"), "action of a retry rule", "RETRY or EXIT"),
    submitted(
        {"timeout": {"attemptDurationSeconds": 60}}, {"timeout": {"attemptDurationSeconds": 59}}, "timeout", "60"
    ),
    submitted(variable("MY_AWS_BATCH"), variable("AWS_BATCH_X"), "reserved environment variables", "AWS_BATCH"),
    submitted(
        {"containerOverrides": {"command": [" "]}},
        {"containerOverrides": {"command": ["a", ""]}},
        "no empty words in a command",
        "command[1]",
    ),
    submitted(needs("MEMORY", "4"), needs("MEMORY", "3"), "resources", "at least 4"),
    submitted(needs("VCPU", "1"), needs("VCPU", "0.25"), "resources", "whole number"),
    submitted(
        {"containerOverrides": {"command": ["a" * (8192 - len('{"command": [""]}'))]}},
        {"containerOverrides": {"command": ["a" * (8193 - len('{"command": [""]}'))]}},
        "size of the overrides",
        "at most 8192 characters, got 8193",
    ),
    submitted(
        {"parameters": {"a": "x" * (30 * 1024 - len('{"parameters": {"a": ""}}'))}},
        {"parameters": {"a": "x" * (30 * 1024 + 1 - len('{"parameters": {"a": ""}}'))}},
        "size of the request",
        "at most 30,720 bytes",
    ),
    Case(
        "size of the definition",
        "RegisterJobDefinition",
        {"parameters": {"a": "x" * (24 * 1024 - len('{"parameters": {"a": ""}}'))}},
        {"parameters": {"a": "x" * (24 * 1024 + 1 - len('{"parameters": {"a": ""}}'))}},
        "at most 24,576 bytes",
    ),
    Case(
        "scheduling priority",
        "RegisterJobDefinition",
        {"schedulingPriority": 9999},
        {"schedulingPriority": 10_000},
        "0 to 9,999",
    ),
    Case("reason", "TerminateJob", {"reason": "x" * 1024}, {"reason": "x" * 1025}, "at most 1,024 characters"),
    Case("reason", "CancelJob", {"reason": "x" * 1024}, {"reason": "x" * 1025}, "at most 1,024 characters"),
    Case("jobs described at once", "DescribeJobs", {"jobs": ["a"] * 100}, {"jobs": ["a"] * 101}, "at most 100 ids"),
    Case("where jobs are listed", "ListJobs", {"jobQueue": "q"}, {}, "exactly one"),
    Case("where jobs are listed", "ListJobs", {"arrayJobId": "a"}, {"jobQueue": "q", "arrayJobId": "a"}, "exactly one"),
    Case(
        "one filter",
        "ListJobs",
        {"filters": [{"name": "JOB_NAME", "values": ["a"]}]},
        {"filters": [{"name": "JOB_NAME", "values": ["a"]}] * 2},
        "one filter is allowed",
    ),
    Case(
        "one filter",
        "ListJobs",
        {"filters": [{"name": "SHARE_IDENTIFIER", "values": ["a"]}]},
        {"filters": [{"name": "STATUS", "values": ["a", "b"]}]},
        "JOB_DEFINITION",
    ),
    Case("page of jobs", "ListJobs", {"maxResults": 1000}, {"maxResults": 1001}, "1 to 1000"),
    Case("page of jobs", "ListJobs", {"maxResults": 100, "filters": [{}]}, {"maxResults": 101, "filters": [{}]}, "100"),
    Case(
        "definitions by name alone",
        "DescribeJobDefinitions",
        {"jobDefinitions": ["a:1"]},
        {"jobDefinitions": ["a:1"], "status": "ACTIVE"},
        "got status",
    ),
]

RESOURCES = [
    Case("name", "CreateJobQueue", {"jobQueueName": "a" * 128}, {"jobQueueName": "a" * 129}, "1 to 128"),
    Case("name", "CreateComputeEnvironment", {"computeEnvironmentName": "_a"}, {"computeEnvironmentName": "a.b"}, "1"),
    Case("name", "CreateSchedulingPolicy", {"name": "a"}, {"name": ""}, "1 to 128"),
    Case("name", "RegisterJobDefinition", {"jobDefinitionName": "a"}, {"jobDefinitionName": "a b"}, "1 to 128"),
    *(
        Case("described at once", operation, {member: ["a"] * 100}, {member: ["a"] * 101}, "at most 100")
        for operation, member in (
            ("DescribeComputeEnvironments", "computeEnvironments"),
            ("DescribeJobQueues", "jobQueues"),
            ("DescribeJobDefinitions", "jobDefinitions"),
        )
    ),
    *(
        Case("page", operation, {"maxResults": 100}, {"maxResults": 101}, "1 to 100")
        for operation in (
            *("DescribeComputeEnvironments", "DescribeJobQueues", "DescribeJobDefinitions"),
            "ListSchedulingPolicies",
        )
    ),
    Case(
        "environments of a queue",
        "CreateJobQueue",
        {"computeEnvironmentOrder": [{}] * 3},
        {"computeEnvironmentOrder": [{}] * 4},
        "at most 3",
    ),
    Case(
        "seconds of a time limit",
        "CreateJobQueue",
        time_limit(),
        time_limit(maxTimeSeconds=599),
        "must be 600 to 86,400",
    ),
    Case(
        "seconds of a time limit",
        "UpdateJobQueue",
        time_limit(maxTimeSeconds=86_400),
        time_limit(maxTimeSeconds=86_401),
        "must be 600",
    ),
    Case("state of a time limit", "CreateJobQueue", time_limit(), time_limit(state="RUNNING"), "RUNNABLE"),
    Case("action of a time limit", "CreateJobQueue", time_limit(), time_limit(action="TERMINATE"), "CANCEL"),
    Case(
        "reason of a time limit",
        "CreateJobQueue",
        time_limit(reason="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"),
        time_limit(reason="CAPACITY"),
        "status reason",
    ),
    Case(
        "decay of shares",
        "CreateSchedulingPolicy",
        {"fairsharePolicy": {"shareDecaySeconds": 604_800}},
        {"fairsharePolicy": {"shareDecaySeconds": 604_801}},
        "0 to 604,800",
    ),
    Case(
        "reservation",
        "UpdateSchedulingPolicy",
        {"fairsharePolicy": {"computeReservation": 99}},
        {"fairsharePolicy": {"computeReservation": 100}},
        "0 to 99",
    ),
    Case(
        "weight of a share", "CreateSchedulingPolicy", shares("a", weight=0.0001), shares("a", weight=0.00009), "0.0001"
    ),
    Case(
        "weight of a share", "CreateSchedulingPolicy", shares("a", weight=999.9999), shares("a", weight=1000), "999.99"
    ),
    Case(
        "share identifiers", "CreateSchedulingPolicy", shares("UserA*", "UserB1"), shares("UserA*", "UserA1"), "overlap"
    ),
    Case("share identifiers", "CreateSchedulingPolicy", shares("a" * 255), shares("a.b"), "1 to 255"),
    Case(
        "shares of a policy",
        "CreateSchedulingPolicy",
        shares(*(f"a{number}" for number in range(500))),
        shares(*(f"a{number}" for number in range(501))),
        "at most 500",
    ),
    Case(
        "state of a new environment", "CreateComputeEnvironment", {"state": "ENABLED"}, {"state": "DISABLED"}, "ENABLED"
    ),
    Case(
        "resources of a managed environment",
        "CreateComputeEnvironment",
        machines(allocationStrategy="BEST_FIT", spotIamFleetRole="r"),
        machines(allocationStrategy="BEST_FIT"),
        "spotIamFleetRole",
    ),
    Case(
        "resources of a managed environment",
        "CreateComputeEnvironment",
        {"type": "UNMANAGED"},
        {"type": "MANAGED"},
        "required for a MANAGED",
    ),
    Case(
        "launch template by id or by name",
        "CreateComputeEnvironment",
        machines(launchTemplate={"launchTemplateId": "a"}),
        machines(launchTemplate={"launchTemplateId": "a", "launchTemplateName": "b"}),
        "exactly one",
    ),
    Case(
        "image types",
        "CreateComputeEnvironment",
        machines(ec2Configuration=[{}] * 2),
        machines(ec2Configuration=[{}] * 3),
        "at most 2",
    ),
    Case(
        "image",
        "RegisterJobDefinition",
        {"containerProperties": {"image": "i" * 255}},
        {"containerProperties": {"image": "i" * 256}},
        "at most 255",
    ),
    Case(
        "name of a volume",
        "RegisterJobDefinition",
        {"containerProperties": {"volumes": [{"name": "v" * 255}]}},
        {"containerProperties": {"volumes": [{"name": "v/1"}]}},
        "1 to 255",
    ),
    Case(
        "tags",
        "TagResource",
        {"tags": {str(number): "" for number in range(50)}},
        {"tags": {str(number): "" for number in range(51)}},
        "at most 50 tags",
    ),
    Case("reserved tags", "SubmitJob", {"tags": {"my:aws": "a"}}, {"tags": {"AWS:a": "b"}}, "aws:"),
    Case("reserved tags", "SubmitJob", {"tags": {"a": "aws"}}, {"tags": {"a": "aws:b"}}, "aws:"),
]

CASES = [*JOBS, *RESOURCES]
