"""Invoke a deployed function with an event, under the function's role."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from dropbatch.contract.parameter import DeploymentParameter, parameter_name
from dropbatch.sandbox.errors import SandboxError

__all__ = ["Invocation", "invoke"]

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The result of an invocation."""

    function: str
    result: Any
    failed: bool
    log: str
    """The last 4 KB, as Lambda gives them."""


def invoke(environ: Mapping[str, str], name: str, event: str) -> Invocation:
    """Invoke the function whose name ends in `name` (``run_events`` and ``run-events`` are the same).

    Placeholders such as ``{{input_bucket}}`` in `event` are replaced by fields of the deployment's SSM parameter;
    ``{{group}}``, ``{{pipeline}}`` and ``{{queue}}`` by the first of each.
    """
    session: Any = boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_REGION"],
    )
    # A retry would be a second invocation.
    config = Config(read_timeout=_SECONDS, retries={"total_max_attempts": 1}, proxies={})

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=environ["AWS_ENDPOINT_URL"], config=config)

    function = _function(client("lambda"), name)
    filled = _filled_in(event, client("ssm"), function)
    try:
        json.loads(filled)
    except ValueError as error:
        raise SandboxError(f"the event is not JSON: {error}") from None
    answer = client("lambda").invoke(FunctionName=function, LogType="Tail", Payload=filled.encode())
    return Invocation(
        function=function,
        result=json.loads(answer["Payload"].read() or b"null"),
        failed="FunctionError" in answer,
        log=base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
    )


def _function(functions: Any, name: str) -> str:
    pages = functions.get_paginator("list_functions").paginate()
    known = [str(each["FunctionName"]) for page in pages for each in page["Functions"]]
    wanted = name.replace("_", "-")
    found = [each for each in known if each == wanted or each.endswith(f"-{wanted}")]
    if len(found) != 1:
        raise SandboxError(
            f"{'several functions are' if found else 'no function is'} named {name!r}: there are "
            f"{', '.join(sorted(known)) or 'none; deploy first, for instance with `make demo`'}"
        )
    return found[0]


def _filled_in(event: str, ssm: Any, function: str) -> str:
    if not _PLACEHOLDER.search(event):
        return event
    environment = function.removeprefix("dropbatch-").split("-")[0]
    try:
        text = ssm.get_parameter(Name=parameter_name(environment))["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        where = parameter_name(environment)
        raise SandboxError(f"the event has placeholders, but there is no parameter {where}") from None
    parameter = DeploymentParameter.from_json(text)
    values = {name: text for name, text in parameter._asdict().items() if isinstance(text, str)}
    values |= {
        "group": next(iter(parameter.groups), ""),
        "pipeline": next(iter(parameter.pipelines), ""),
        "queue": next(iter(parameter.pools.values()), ""),
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise SandboxError(f"{{{{{match[1]}}}}} is not known: there are {', '.join(sorted(values))}")
        return json.dumps(str(values[match[1]]))[1:-1]

    return _PLACEHOLDER.sub(value, event)
