"""Entry point of the spend guard: alerts of the budget, and the actions of operators: pause, stop and resume."""

from functools import cache
from typing import Any

from dropbatch.contract.deployment import resource_name
from lambdas.common import wiring
from lambdas.common.brake import Brake
from lambdas.common.mail import Mail
from lambdas.ledger.table import Ledger
from lambdas.spend_guard.budget_alert import about_pause, read_notice

__all__ = ["handle"]

log = wiring.logger()


@cache
def _brake() -> Brake:
    (table,) = wiring.variables("LEDGER_TABLE")
    return Brake(
        Ledger(wiring.client("dynamodb"), table),
        batch=wiring.client("batch"),
        queues=[pool.queue for pool in wiring.deployment().pools.values()],
    )


@cache
def _stops() -> bool:
    return wiring.deployment().budget_action == "stop"


@cache
def _resumes_by_itself() -> bool:
    return wiring.deployment().auto_resume


def _mail(mail: Mail) -> None:
    (topic_arn,) = wiring.variables("PEOPLE_TOPIC_ARN")
    wiring.client("sns").publish(TopicArn=topic_arn, Subject=mail.subject, Message=mail.body)


def handle(event: dict[str, Any], context: object) -> dict[str, str]:
    """Pause on an alert that the whole budget is spent; ignore every other message of the topic.

    Operators invoke it with ``{"action": …}``: ``pause``, ``stop`` or ``resume``, and optionally a ``reason``.

    Raises:
        ValueError: the action is unknown.
        BrakeError: some pools could not be switched; call it again.
    """
    if "Records" in event:
        return _alerts([record["Sns"]["Message"] for record in event["Records"]])
    reason = str(event.get("reason") or "by hand")
    match event.get("action"):
        case "pause":
            _brake().pause(reason, by="operator")
            return {"did": "paused"}
        case "stop":
            _brake().pause(reason, by="operator", stop=True)
            return {"did": "stopped"}
        case "resume":
            _brake().resume()
            return {"did": "resumed"}
    raise ValueError(f"action must be 'pause', 'stop' or 'resume', got {event.get('action')!r}")


def _alerts(texts: list[str]) -> dict[str, str]:
    (environment,) = wiring.variables("DROPBATCH_ENVIRONMENT")
    for text in texts:
        notice = read_notice(text)
        if notice is None or notice.budget != resource_name(environment) or not notice.exhausted:
            log.info("not an alert that the budget is spent: %s", text[:200])
            continue
        stop = _stops()
        if _brake().pause(f"budget spent: {notice.spent_usd} of {notice.limit_usd} USD", by="budget", stop=stop):
            _mail(about_pause(notice, environment, stop=stop, auto_resume=_resumes_by_itself()))
        return {"did": "stopped" if stop else "paused"}
    return {"did": "nothing"}
