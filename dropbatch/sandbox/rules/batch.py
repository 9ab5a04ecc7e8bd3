"""Rules of AWS Batch for jobs: submitting, ending and finding them."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from dropbatch.sandbox.rules import rule
from dropbatch.sandbox.rules.rule import Known, Params, Rule, values

__all__ = ["API", "CODE", "GUIDE", "JOB_RULES"]

API = "https://docs.aws.amazon.com/batch/latest/APIReference/API_"
GUIDE = "https://docs.aws.amazon.com/batch/latest/userguide/"
CODE = "ClientException"

_MOST_OVERRIDE_CHARACTERS = 8192
_MOST_PAYLOAD_BYTES = 30 * 1024
_MOST_DEFINITION_BYTES = 24 * 1024
_RESERVED = "AWS_BATCH"

_between = partial(rule.between, code=CODE)
_longest = partial(rule.longest, code=CODE)
_matching = partial(rule.matching, code=CODE)
_rule = partial(Rule, code=CODE)


def _share_identifier(params: Params, known: Known) -> Iterator[str]:
    if known.queue is None:
        return
    name, share = known.queue.get("jobQueueName", "of the request"), params.get("shareIdentifier")
    if not known.queue.get("schedulingPolicyArn"):
        if share:
            yield f"shareIdentifier: job queue {name} has no scheduling policy"
    elif not share:
        yield f"shareIdentifier: required, because job queue {name} has a fair-share policy"


def _scheduling_priority(params: Params, known: Known) -> Iterator[str]:
    if known.queue is None or known.definition is None or not known.queue.get("schedulingPolicyArn"):
        return
    if params.get("schedulingPriorityOverride") is None and known.definition.get("schedulingPriority") is None:
        yield "Either schedulingPriority in job definition or schedulingPriorityOverride is required."


def _attempts_with_rules(params: Params, known: Known) -> Iterator[str]:
    strategy = params.get("retryStrategy") or {}
    if strategy.get("evaluateOnExit") and strategy.get("attempts") is None:
        yield "retryStrategy.attempts: required with evaluateOnExit"


def _reserved_environment(params: Params, known: Known) -> Iterator[str]:
    for container in ("containerProperties", "containerOverrides"):
        for place, name in values(params, f"{container}.environment[].name"):
            if str(name).startswith(_RESERVED):
                yield f"{place}: must not begin with {_RESERVED}, got {name!r}"


def _empty_words(params: Params, known: Known) -> Iterator[str]:
    for place, word in values(params, "containerOverrides.command[]"):
        if word == "":
            yield f"{place}: must not be an empty string"


def _resources(params: Params, known: Known) -> Iterator[str]:
    if "FARGATE" in (params.get("platformCapabilities") or (known.definition or {}).get("platformCapabilities") or ()):
        return
    for container in ("containerProperties", "containerOverrides"):
        for place, entry in values(params, f"{container}.resourceRequirements[]"):
            kind, value = entry.get("type"), str(entry.get("value", ""))
            least = {"MEMORY": 4, "VCPU": 1, "GPU": 1}.get(kind, 0)
            if not value.isascii() or not value.isdigit() or int(value) < least:
                yield f"{place}: {kind} must be a whole number of at least {least} on EC2, got {value!r}"


def _override_size(params: Params, known: Known) -> Iterator[str]:
    length = len(json.dumps(params.get("containerOverrides") or {}, ensure_ascii=False))
    if length > _MOST_OVERRIDE_CHARACTERS:
        yield f"containerOverrides: at most {_MOST_OVERRIDE_CHARACTERS} characters, got {length}"


def _size(params: Params, most: int, what: str) -> Iterator[str]:
    size = len(json.dumps(params, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))
    if size > most:
        yield f"{what}: at most {most:,} bytes as JSON, got {size:,}"


def _payload_size(params: Params, known: Known) -> Iterator[str]:
    return _size(params, _MOST_PAYLOAD_BYTES, "request")


def _definition_size(params: Params, known: Known) -> Iterator[str]:
    return _size(params, _MOST_DEFINITION_BYTES, "job definition")


def _one_place(params: Params, known: Known) -> Iterator[str]:
    given = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if params.get(name)]
    if len(given) != 1:
        yield f"exactly one of jobQueue, arrayJobId and multiNodeJobId must be given, got {given or 'none'}"


_FILTERS = ("JOB_NAME", "JOB_DEFINITION", "BEFORE_CREATED_AT", "AFTER_CREATED_AT", "SHARE_IDENTIFIER")


def _one_filter(params: Params, known: Known) -> Iterator[str]:
    filters: list[Mapping[str, Any]] = params.get("filters") or []
    if len(filters) > 1:
        yield f"filters: one filter is allowed, got {len(filters)}"
    for each in filters:
        if each.get("name") not in _FILTERS:
            yield f"filters: name must be one of {', '.join(_FILTERS)}, got {each.get('name')!r}"
        if len(each.get("values") or []) != 1:
            yield f"filters: one value is allowed, got {len(each.get('values') or [])}"


def _definitions_alone(params: Params, known: Known) -> Iterator[str]:
    others = sorted(name for name, value in params.items() if value is not None and name != "jobDefinitions")
    if params.get("jobDefinitions") and others:
        yield f"jobDefinitions: cannot be used with other parameters, got {', '.join(others)}"


def _filtered_page(params: Params, known: Known) -> Iterator[str]:
    most, size = (100 if params.get("filters") else 1000), params.get("maxResults")
    if size is not None and not 1 <= size <= most:
        yield f"maxResults: must be 1 to {most}, got {size}"


_JOB = ("SubmitJob", "RegisterJobDefinition")
_ENDING = ("CancelJob", "TerminateJob")
_ON_EXIT = "retryStrategy.evaluateOnExit[]"

JOB_RULES: tuple[Rule, ...] = (
    _matching(
        "job name",
        ("SubmitJob",),
        "jobName",
        r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}",
        "1 to 128 letters, digits, hyphens or underscores, of which the first is a letter or digit",
        source=f"{API}SubmitJob.html",
    ),
    _rule(
        name="share identifier only and always with a fair-share policy",
        operations=("SubmitJob",),
        check=_share_identifier,
        source=f"{API}SubmitJob.html",
    ),
    _matching(
        "share identifier",
        ("SubmitJob",),
        "shareIdentifier",
        r"[A-Za-z0-9]{1,255}\*?",
        "1 to 255 letters and digits",
        source=f"{API}SubmitJob.html",
    ),
    _rule(
        # The API reference does not give the error's text; this is the service's text as reported by users.
        name="scheduling priority with a fair-share policy",
        operations=("SubmitJob",),
        check=_scheduling_priority,
        source="https://github.com/hashicorp/terraform-provider-aws/issues/31226",
    ),
    _between(
        "scheduling priority", ("SubmitJob",), "schedulingPriorityOverride", 0, 9999, source=f"{API}SubmitJob.html"
    ),
    _between(
        "scheduling priority",
        ("RegisterJobDefinition",),
        "schedulingPriority",
        0,
        9999,
        source=f"{API}RegisterJobDefinition.html",
    ),
    _between("array size", ("SubmitJob",), "arrayProperties.size", 2, 10_000, source=f"{API}ArrayProperties.html"),
    _longest("dependencies", ("SubmitJob",), "dependsOn", 20, source=f"{API}SubmitJob.html", unit="jobs"),
    _between("attempts", _JOB, "retryStrategy.attempts", 1, 10, source=f"{API}RetryStrategy.html"),
    _longest("retry rules", _JOB, "retryStrategy.evaluateOnExit", 5, source=f"{API}RetryStrategy.html", unit="rules"),
    _rule(
        name="attempts with retry rules",
        operations=_JOB,
        check=_attempts_with_rules,
        source=f"{API}RetryStrategy.html",
    ),
    *(
        _matching(
            "pattern of a retry rule",
            _JOB,
            f"{_ON_EXIT}.{reason}",
            r"(?=.{0,512}\Z)[A-Za-z0-9.:\s]*\*?",
            "at most 512 letters, numbers, periods, colons and white space, with * only at the end",
            source=f"{API}EvaluateOnExit.html",
        )
        for reason in ("onReason", "onStatusReason")
    ),
    _matching(
        "exit code of a retry rule",
        _JOB,
        f"{_ON_EXIT}.onExitCode",
        r"(?=.{0,512}\Z)[0-9]*\*?",
        "at most 512 digits, with * only at the end",
        source=f"{API}EvaluateOnExit.html",
    ),
    _matching(
        "action of a retry rule",
        _JOB,
        f"{_ON_EXIT}.action",
        r"(?i:RETRY|EXIT)",
        "RETRY or EXIT",
        source=f"{API}EvaluateOnExit.html",
    ),
    _between("timeout", _JOB, "timeout.attemptDurationSeconds", 60, None, source=f"{API}JobTimeout.html"),
    _rule(
        name="reserved environment variables",
        operations=_JOB,
        check=_reserved_environment,
        source=f"{API}ContainerOverrides.html",
    ),
    _rule(
        name="no empty words in a command",
        operations=("SubmitJob",),
        check=_empty_words,
        source=f"{API}ContainerOverrides.html",
    ),
    _rule(name="resources", operations=_JOB, check=_resources, source=f"{API}ResourceRequirement.html"),
    _rule(
        # Batch starts jobs by ECS's RunTask, which has this limit.
        name="size of the overrides",
        operations=("SubmitJob",),
        check=_override_size,
        source="https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html",
    ),
    _rule(
        name="size of the request",
        operations=("SubmitJob",),
        check=_payload_size,
        source=f"{GUIDE}service_limits.html",
    ),
    _rule(
        name="size of the definition",
        operations=("RegisterJobDefinition",),
        check=_definition_size,
        source=f"{GUIDE}service_limits.html",
    ),
    _longest("reason", _ENDING, "reason", 1024, source=f"{API}TerminateJob.html", unit="characters"),
    _longest("jobs described at once", ("DescribeJobs",), "jobs", 100, source=f"{API}DescribeJobs.html", unit="ids"),
    _rule(name="where jobs are listed", operations=("ListJobs",), check=_one_place, source=f"{API}ListJobs.html"),
    _rule(name="one filter", operations=("ListJobs",), check=_one_filter, source=f"{API}ListJobs.html"),
    _rule(name="page of jobs", operations=("ListJobs",), check=_filtered_page, source=f"{API}ListJobs.html"),
    _rule(
        name="definitions by name alone",
        operations=("DescribeJobDefinitions",),
        check=_definitions_alone,
        source=f"{API}DescribeJobDefinitions.html",
    ),
)
