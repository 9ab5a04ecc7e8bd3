"""Resources on which a Batch call is authorized.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Batch". SubmitJob is checked on
the job definition, on the queue and on the new job, whose id is not known before (``job/*``); with tags also
``batch:TagResource``, which AWS checks on the job definition.
"""

import json
from typing import Any
from urllib.parse import unquote

from dropbatch.sandbox.batch.errors import BatchError
from dropbatch.sandbox.batch.store import Store

__all__ = ["Check", "checks"]

Check = tuple[str, str]
"""An IAM action and the ARN of a resource it must be allowed on."""

_BY_MEMBER: dict[str, tuple[tuple[str, str], ...]] = {
    "CreateComputeEnvironment": (("compute-environment", "computeEnvironmentName"),),
    "UpdateComputeEnvironment": (("compute-environment", "computeEnvironment"),),
    "DeleteComputeEnvironment": (("compute-environment", "computeEnvironment"),),
    "CreateJobQueue": (("job-queue", "jobQueueName"), ("scheduling-policy", "schedulingPolicyArn")),
    "UpdateJobQueue": (("job-queue", "jobQueue"), ("scheduling-policy", "schedulingPolicyArn")),
    "DeleteJobQueue": (("job-queue", "jobQueue"),),
    "CreateSchedulingPolicy": (("scheduling-policy", "name"),),
    "UpdateSchedulingPolicy": (("scheduling-policy", "arn"),),
    "DeleteSchedulingPolicy": (("scheduling-policy", "arn"),),
    "RegisterJobDefinition": (("job-definition", "jobDefinitionName"),),
    "DeregisterJobDefinition": (("job-definition", "jobDefinition"),),
    "SubmitJob": (("job-definition", "jobDefinition"), ("job-queue", "jobQueue")),
    "CancelJob": (("job", "jobId"),),
    "TerminateJob": (("job", "jobId"),),
}
_WITH_ENVIRONMENTS = {"CreateJobQueue", "UpdateJobQueue"}
_TAGS_PATH = "/v1/tags/"


def checks(operation: str, path: str, body: bytes, store: Store) -> list[Check]:
    """Return each (action, resource) that must be allowed; ``*`` if the action has no resource-level permissions."""
    action = f"batch:{operation}"
    if path.startswith(_TAGS_PATH):
        return [(action, unquote(path.removeprefix(_TAGS_PATH)))]
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = {}
    found = [
        (action, _arn(store, kind, str(request[member])))
        for kind, member in _BY_MEMBER.get(operation, ())
        if request.get(member)
    ]
    if operation in _WITH_ENVIRONMENTS:
        order = request.get("computeEnvironmentOrder") or []
        found += [(action, _arn(store, "compute-environment", str(each.get("computeEnvironment")))) for each in order]
    if operation == "SubmitJob":
        found.append((action, store.arns.of("job", "*")))
    if request.get("tags") and found:
        found.append(("batch:TagResource", found[0][1]))
    return found or [(action, "*")]


def _arn(store: Store, kind: str, reference: str) -> str:
    if kind == "job-definition":
        definition = _definition(store, reference)
        if definition is not None:
            return str(definition["jobDefinitionArn"])
    return reference if reference.startswith("arn:") else store.arns.of(kind, reference)


def _definition(store: Store, reference: str) -> dict[str, Any] | None:
    try:
        return store.definition(reference)
    except BatchError:
        return None
