"""Checks of a deployed environment: mail, pause, refused submissions and dead letters."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dropbatch.cli.deployed import Deployed, Description
from dropbatch.cli.doctor import images, machines
from dropbatch.cli.doctor.findings import Check, Finding, ok, problem, unknown
from dropbatch.cli.doctor.subject import PoolNeed, Subject
from dropbatch.cli.refused import Refusal, in_words, refusals
from dropbatch.cli.text import counted
from dropbatch.contract import ledger
from dropbatch.contract.deployment import resource_name

__all__ = ["CHECKS", "subject_of"]

_QUEUES = ("arrivals", "job-events")
_MAIL_TOPICS = {"people": "notifications of runs and alarms", "budget": "budget warnings"}


def subject_of(deployed: Deployed, *, sandbox: bool) -> Subject:
    """Return the subject of a deployed environment."""
    description = deployed.description
    return Subject(
        environment=deployed.environment,
        region=description.region,
        client=deployed.new_client,
        find_pools=lambda: _pools(deployed),
        sandbox=sandbox,
        description=description,
    )


def _pools(deployed: Deployed) -> Sequence[PoolNeed]:
    environments = {
        each["computeEnvironmentArn"]: each
        for page in deployed.batch.get_paginator("describe_compute_environments").paginate()
        for each in page["computeEnvironments"]
    }
    by_queue = {queue: pool for pool, queue in deployed.description.pools.items()}
    found: list[PoolNeed] = []
    if not by_queue:
        return found
    for queue in deployed.batch.describe_job_queues(jobQueues=list(by_queue))["jobQueues"]:
        for order in queue["computeEnvironmentOrder"]:
            resources = environments[order["computeEnvironment"]]["computeResources"]
            found.append(
                PoolNeed(
                    name=by_queue[queue["jobQueueName"]],
                    spot=resources["type"] == "SPOT",
                    max_vcpus=resources["maxvCpus"],
                    instance_types=tuple(resources["instanceTypes"]),
                )
            )
    return found


def _described(subject: Subject) -> Description:
    if subject.description is None:
        raise ValueError("checks of operation need a deployed environment")
    return subject.description


def _parameter(subject: Subject) -> Iterator[Finding]:
    found = _described(subject)
    yield ok(
        f"/dropbatch/{found.environment}: {counted(len(found.pipelines), 'pipeline')}, "
        f"{counted(len(found.groups), 'group')}, {counted(len(found.pools), 'pool')}"
    )


def _mail(subject: Subject) -> Iterator[Finding]:
    operators = _described(subject).operators_topic_arn
    if not operators:
        yield unknown("the parameter has no topic: deploy with this version")
        return
    sns = subject.client("sns")
    for topic, what in _MAIL_TOPICS.items():
        arn = operators.removesuffix("operators") + topic
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        mails = [each for page in pages for each in page["Subscriptions"] if each["Protocol"].startswith("email")]
        waiting = [each["Endpoint"] for each in mails if each["SubscriptionArn"] == "PendingConfirmation"]
        confirmed = [each["Endpoint"] for each in mails if each["SubscriptionArn"].startswith("arn:")]
        if waiting:
            yield problem(
                f"{what}: not confirmed by {', '.join(waiting)}",
                "confirm in the mail that AWS sent there; after three days, deploy again to get a new one",
            )
        if confirmed:
            yield ok(f"{what}: {', '.join(confirmed)}")
        if not mails:
            yield problem(f"{what}: no recipient", "set notify.email in the environment file and deploy")


def _paused(subject: Subject) -> Iterator[Finding]:
    key = ledger.to_item({"id": ledger.PAUSED})
    answer = subject.client("dynamodb").get_item(TableName=_described(subject).ledger_table, Key=key)
    if "Item" in answer:
        flag = ledger.from_item(answer["Item"])
        yield problem(
            f"paused since {flag['since']} by {flag['by']}: {flag['reason']}", "`dropbatch resume` ends the pause"
        )
    else:
        yield ok("not paused")


def _submissions(subject: Subject) -> Iterator[Finding]:
    description = _described(subject)
    by_reason: dict[str, list[Refusal]] = defaultdict(list)
    for group in description.groups:
        for refusal in refusals(subject.client("dynamodb"), description.ledger_table, group).values():
            by_reason[refusal.reason].append(refusal)
    for found in by_reason.values():
        pipelines = ", ".join(sorted({f"{refusal.group}/{refusal.pipeline}" for refusal in found}))
        yield problem(
            f"{pipelines}: Batch refuses {in_words(found)}",
            "remove the cause, usually by a deploy; the runs then start within minutes. `dropbatch cancel` cancels "
            "runs that are no longer wanted",
        )
    if not by_reason:
        yield ok("Batch refuses no job")


def _letters(subject: Subject) -> Iterator[Finding]:
    sqs = subject.client("sqs")
    for queue in _QUEUES:
        name = resource_name(subject.environment, f"{queue}-dead")
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            yield problem(f"there is no queue {name}", "deploy the environment again")
            continue
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        count = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
        if not count:
            yield ok(f"none of {queue}")
            continue
        fix = (
            "list them with `dropbatch retry --dead-letters --dry-run`, fix the cause, repeat without --dry-run"
            if queue == "arrivals"
            else "see the log of the function run-events; reconcile has already updated the runs"
        )
        yield problem(f"{count} of {queue}", fix)


def _lock(subject: Subject) -> Iterator[Finding]:
    file = f"environments/{subject.environment}.toml"
    yield unknown(
        f"the location of the state is not recorded in a deployment: see `dropbatch doctor --before-deploy {file}`"
    )


CHECKS = (
    Check(name="parameter", look=_parameter),
    Check(name="mail", look=_mail),
    Check(name="pause", look=_paused),
    Check(name="submissions", look=_submissions),
    Check(name="dead letters", look=_letters),
    Check(name="images", look=images.deployed),
    machines.DEPLOYED,
    Check(name="state lock", look=_lock),
)
