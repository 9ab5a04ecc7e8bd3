"""Asking the spend guard: it alone switches the pools."""

import json

import click

from dropbatch.cli.deployed import Deployed
from dropbatch.contract.deployment import resource_name

__all__ = ["pull"]


def pull(deployed: Deployed, action: str, *, reason: str = "") -> None:
    """Do `action`: pause, stop or resume.

    Raises:
        ClickException: the function could not do it, in its own words.
    """
    answer = deployed.functions.invoke(
        FunctionName=resource_name(deployed.environment, "spend-guard"),
        Payload=json.dumps({"action": action, "reason": reason}).encode(),
    )
    if "FunctionError" in answer:
        said = json.loads(answer["Payload"].read()).get("errorMessage", "no reason given")
        raise click.ClickException(f"the spend guard could not {action}: {said}")
