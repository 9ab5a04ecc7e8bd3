"""Invoke the deployment's functions, for operators: spend guard to pause or resume, arrival for dead letters."""

import json
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError
from dropbatch.contract.deployment import resource_name

__all__ = ["invoke_arrival", "invoke_spend_guard"]


def invoke_spend_guard(deployed: Deployed, action: str, *, reason: str = "") -> dict[str, Any]:
    """Invoke the spend guard with `action`: pause, stop or resume.

    Raises:
        CliError: the function could not do it, in its own words.
    """
    return _invoke(deployed, "spend-guard", {"action": action, "reason": reason}, f"the spend guard could not {action}")


def invoke_arrival(deployed: Deployed, action: str, *, limit: int) -> dict[str, Any]:
    """Invoke the arrival function to list dead letters (``dead-letters``) or to send them back (``redrive``).

    Raises:
        CliError: the function could not do it, in its own words.
    """
    return _invoke(deployed, "arrival", {"action": action, "limit": limit}, "the arrival function could not do it")


def _invoke(deployed: Deployed, function: str, payload: dict[str, Any], failure: str) -> dict[str, Any]:
    answer = deployed.functions.invoke(
        FunctionName=resource_name(deployed.environment, function), Payload=json.dumps(payload).encode()
    )
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CliError(f"{failure}: {body.get('errorMessage', 'no reason given')}")
    return body
