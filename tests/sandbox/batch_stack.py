"""A small Batch set-up in a running sandbox, created with boto3 as Terraform would create it."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dropbatch.sandbox import Sandbox
from tests.sandbox.batch_world import eventually

Client = Callable[..., Any]
REPOSITORY = "000000000000.dkr.ecr.eu-central-1.amazonaws.com/test"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


class BatchStack:
    """One environment, queue, job role, log group and image, with unique names, so that many fit in one sandbox."""

    def __init__(self, sandbox: Sandbox, aws: Client) -> None:
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.sandbox = sandbox
        self.aws = aws
        self.batch, self.logs, self.iam = aws("batch"), aws("logs"), aws("iam")
        self.log_group = f"/test/{self.name}"
        self.snapshot = sandbox.layout.images / self.name
        (self.snapshot / "opt" / "pipeline").mkdir(parents=True)
        (self.snapshot / "opt" / "dropbatch" / "dropbatch").mkdir(parents=True)
        self.logs.create_log_group(logGroupName=self.log_group)
        role = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com"))
        self.role_arn = role["Role"]["Arn"]
        self.environment = self.batch.create_compute_environment(
            computeEnvironmentName=self.name,
            type="MANAGED",
            computeResources={
                "type": "SPOT",
                "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED",
                "minvCpus": 0,
                "maxvCpus": 8,
                "instanceTypes": ["optimal"],
                "subnets": ["subnet-1"],
                "instanceRole": "ecsInstanceRole",
            },
        )["computeEnvironmentArn"]
        self.queue = self.add_queue(self.name)
        self.definition = self.define()

    def add_queue(self, name: str) -> str:
        order = [{"order": 1, "computeEnvironment": self.environment}]
        return str(
            self.batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order)["jobQueueArn"]
        )

    def define(self, **container: Any) -> str:
        properties = {
            "image": f"{REPOSITORY}:{self.name}",
            "command": ["true"],
            "jobRoleArn": self.role_arn,
            "environment": [{"name": "FROM_DEFINITION", "value": "yes"}],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": self.log_group, "awslogs-stream-prefix": "lab/count"},
            },
            **container,
        }
        answer = self.batch.register_job_definition(
            jobDefinitionName=self.name, type="container", containerProperties=properties
        )
        return str(answer["jobDefinitionArn"])

    def program(self, name: str, text: str) -> None:
        path: Path = self.snapshot / "opt" / "pipeline" / name
        path.write_text(text)
        path.chmod(0o755)

    def submit(self, *command: str, **more: Any) -> str:
        more.setdefault("jobDefinition", self.definition)
        overrides = {"command": list(command), **more.pop("containerOverrides", {})}
        answer = self.batch.submit_job(jobName="job", jobQueue=self.queue, containerOverrides=overrides, **more)
        return str(answer["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.batch.describe_jobs(jobs=[job_id])["jobs"][0])

    def until(self, job_id: str, *statuses: str) -> dict[str, Any]:
        def reached() -> bool:
            time.sleep(0.02)
            return self.job(job_id)["status"] in statuses

        eventually(reached, lambda: self.job(job_id))
        return self.job(job_id)

    def run(self, *command: str, **more: Any) -> dict[str, Any]:
        return self.until(self.submit(*command, **more), "SUCCEEDED", "FAILED")

    def lines(self, job: dict[str, Any]) -> list[str]:
        stream = job["container"]["logStreamName"]
        events = self.logs.get_log_events(logGroupName=self.log_group, logStreamName=stream, startFromHead=True)
        return [each["message"] for each in events["events"]]

    def user(self, policy: str) -> dict[str, str]:
        """Return credentials of a user with this policy."""
        name = f"{self.name}-{uuid.uuid4().hex[:4]}"
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        return dict(self.iam.create_access_key(UserName=name)["AccessKey"])
