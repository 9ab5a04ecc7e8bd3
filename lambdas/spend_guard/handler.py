"""Entry point of the spend guard: the budget's alerts, and an operator's ``{"action": "pause" | "resume"}``."""

from functools import cache
from typing import Any

from dropbatch.contract.deployment import resource_name
from lambdas.common import wiring
from lambdas.spend_guard.notice import read_notice
from lambdas.spend_guard.pause import Brake

__all__ = ["handle"]

log = wiring.logger()


@cache
def _brake() -> Brake:
    (table,) = wiring.variables("LEDGER_TABLE")
    return Brake(
        dynamodb=wiring.client("dynamodb"),
        batch=wiring.client("batch"),
        table=table,
        queues=[pool.queue for pool in wiring.deployment().pools.values()],
    )


def handle(event: dict[str, Any], context: object) -> dict[str, str]:
    """Pause on an alert that says the whole budget is spent; ignore every other message of the topic.

    Raises:
        ValueError: a direct call with an unknown action.
    """
    if "Records" in event:
        return _alerts([record["Sns"]["Message"] for record in event["Records"]])
    match event.get("action"):
        case "pause":
            _brake().pause(str(event.get("reason") or "by hand"))
            return {"did": "paused"}
        case "resume":
            _brake().resume()
            return {"did": "resumed"}
    raise ValueError(f"action must be 'pause' or 'resume', got {event.get('action')!r}")


def _alerts(texts: list[str]) -> dict[str, str]:
    (environment,) = wiring.variables("DROPBATCH_ENVIRONMENT")
    for text in texts:
        notice = read_notice(text)
        if notice is None or notice.budget != resource_name(environment) or not notice.exhausted:
            log.info("not an alert that the budget is spent: %s", text[:200])
            continue
        _brake().pause(f"budget spent: {notice.spent_usd} of {notice.limit_usd} USD")
        return {"did": "paused"}
    return {"did": "nothing"}
