"""Assumptions about AWS that only a real account can confirm, each with its observation.

``make aws-acceptance`` looks at each after the step that it needs, and reports belief, observation and the file in
which the belief stands. One that turns out false keeps no other from being looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from delivery import observations, observed_jobs
from delivery.account import Acceptance, NotInSandboxError
from delivery.errors import DeliveryError
from delivery.observations import Observation

__all__ = ["BELIEFS", "Belief", "Seen", "observed", "table"]


@dataclass(frozen=True, kw_only=True)
class Belief:
    """One statement about AWS."""

    name: str
    """Begins with the assumption's number in docs/delivery.md."""
    belief: str
    file: str
    """File that relies on the assumption."""
    step: str
    """Step of the acceptance that must have succeeded before."""
    observe: Callable[[Acceptance], Observation]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Result for one assumption."""

    belief: Belief
    held: str
    """``yes``, ``no``, ``not shown`` (the observation decides nothing), ``not tried``, or ``not in the sandbox``."""
    observed: str


BELIEFS: Sequence[Belief] = (
    Belief(
        name="A1 priority of jobs",
        belief="a fair-share queue refuses a job without schedulingPriority in definition or request, and takes ours",
        file="lambdas/arrival/jobs.py",
        step="drop",
        observe=observed_jobs.job_without_priority,
    ),
    Belief(
        name="A2 scratch disk",
        belief="a machine with scratch_gib joins its cluster, and jobs have their scratch space on that disk",
        file="constructs_lib/machine_template.py",
        step="deploy",
        observe=observed_jobs.scratch_disk,
    ),
    Belief(
        name="A3 tagged event source mappings",
        belief="the deploy role may create event source mappings with the provider's default tags",
        file="constructs_lib/deploy_rights.py",
        step="deploy",
        observe=observations.tagged_mappings,
    ),
    Belief(
        name="A4 tagged rules of security groups",
        belief="the deploy role may create rules of security groups with the provider's default tags",
        file="constructs_lib/deploy_rights.py",
        step="deploy",
        observe=observations.tagged_rules,
    ),
    Belief(
        name="A5 subscriptions",
        belief="the deploy role may change and remove the subscriptions of the environment's topics",
        file="constructs_lib/deploy_rights.py",
        step="destroy",
        observe=observations.subscription_rights,
    ),
    Belief(
        name="A6 run log",
        belief="EventBridge may create streams in the log of runs, and writes every state change there",
        file="constructs_lib/run_log.py",
        step="drop",
        observe=observations.run_log,
    ),
    Belief(
        name="A6 lines to operators",
        belief="EventBridge may publish to the operators' topic, and what it publishes is text without quotes",
        file="constructs_lib/events.py",
        step="drop",
        observe=observations.operators_line,
    ),
    Belief(
        name="A6 failed invocations",
        belief="no rule of the environment fails to call its target",
        file="constructs_lib/topic.py",
        step="cost",
        observe=observations.failed_invocations,
    ),
    Belief(
        name="A7 change under a job",
        belief="a deploy that changes the machines of a pool lets its running jobs finish, and ends in time itself",
        file="constructs_lib/pool.py",
        step="deploy",
        observe=observed_jobs.change_under_a_job,
    ),
    Belief(
        name="A8 other registry",
        belief="a job pulls an image from another private registry of the account",
        file="constructs_lib/pipeline.py",
        step="deploy",
        observe=observed_jobs.other_repository,
    ),
    Belief(
        name="A9 credits",
        belief="the budget counts use that credits and refunds pay for",
        file="constructs_lib/budget.py",
        step="deploy",
        observe=observations.budget_costs,
    ),
    Belief(
        name="A10 image of machines",
        belief="machines start from the image that AWS recommends at the time of the deploy",
        file="constructs_lib/pool.py",
        step="drop",
        observe=observed_jobs.machine_image,
    ),
    Belief(
        name="minor: sessions of the deploy role",
        belief="the deploy role gives sessions of two hours, as long as the job that applies may run",
        file="constructs_lib/github_roles.py",
        step="deploy",
        observe=observations.session_length,
    ),
    Belief(
        name="minor: boto3 of functions",
        belief="Lambda's own boto3 knows every parameter that the functions send",
        file="lambdas/common/wiring.py",
        step="drop",
        observe=observations.boto3_of_functions,
    ),
    Belief(
        name="minor: instance profiles",
        belief="the first compute environments become VALID: their instance profile is known to Batch by then",
        file="constructs_lib/machine_profile.py",
        step="deploy",
        observe=observed_jobs.valid_environments,
    ),
    Belief(
        name="minor: secrets under a key",
        belief="a job is given a secret under a key of the account's own when secret_keys names the key",
        file="constructs_lib/pipeline.py",
        step="deploy",
        observe=observed_jobs.secret_under_a_key,
    ),
    Belief(
        name="minor: volumes",
        belief="AWS describes job definitions, volumes without host among them, as they were written: no drift",
        file="constructs_lib/container.py",
        step="deploy",
        observe=observations.no_drift,
    ),
    Belief(
        name="minor: service-linked roles",
        belief="IAM refuses to create a service-linked role that exists, with a text that says so",
        file="dropbatch/cli/doctor/before.py",
        step="bootstrap",
        observe=observations.service_linked_role,
    ),
    Belief(
        name="minor: metadata service",
        belief="programs, which run as a user other than root, do not reach the machine's credentials",
        file="constructs_lib/machine_template.py",
        step="deploy",
        observe=observed_jobs.metadata_service,
    ),
    Belief(
        name="B5 texts of Batch and ECS",
        belief="every reason that Batch and ECS give begins as one of the texts that the project knows",
        file="dropbatch/contract/batch_reasons.py",
        step="drop",
        observe=observed_jobs.reason_texts,
    ),
)
"""In order of observation: the change of machines under a job comes before the AMI that it installs."""


def observed(this: Acceptance, held: Sequence[str], *, last: bool = False) -> Iterator[Seen]:
    """Observe all assumptions whose step held; with `last`, those that are observed after destroy."""
    for each in BELIEFS:
        if (each.step == "destroy") == last:
            print(f"belief: {each.name} …", flush=True)
            seen = _look(this, each, held)
            print(f"  {seen.held}: {seen.observed}", flush=True)
            yield seen


def _look(this: Acceptance, each: Belief, held: Sequence[str]) -> Seen:
    if each.step not in held:
        return Seen(belief=each, held="not tried", observed=f"needs {each.step}")
    try:
        found = each.observe(this)
    except NotInSandboxError as error:
        return Seen(belief=each, held="not in the sandbox", observed=str(error))
    except (DeliveryError, OSError, LookupError, ValueError) as error:
        return Seen(belief=each, held="not tried", observed=f"could not be observed: {type(error).__name__}: {error}")
    words = {True: "yes", False: "no", None: "not shown"}
    return Seen(belief=each, held=words[found.held], observed=found.text)


def table(seen: Sequence[Seen]) -> list[str]:
    """Return the report's lines."""
    rows = [
        f"| {each.belief.name}: {each.belief.belief} | {_cell(each.observed)} | {each.held} | `{each.belief.file}` |"
        for each in seen
    ]
    return ["| belief | observed | held | file |", "| --- | --- | --- | --- |", *rows]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
