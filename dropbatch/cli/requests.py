"""Requests: files below ``<group>/submissions/`` that start runs, or cancel, retry or rerun them."""

import json
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.contract import keys

__all__ = ["Sent", "grid", "inputs_of", "put", "read_file", "submission", "values_of"]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request that was uploaded."""

    uri: str
    key: str
    version_id: str


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a local request file. Its fields are validated later, when the request is processed.

    Raises:
        NotFoundError: the file does not exist.
        UsageFault: it is neither JSON nor TOML.
    """
    if not path.is_file():
        raise NotFoundError(f"{path} is not a file: give a request in JSON or TOML, or --inputs")
    try:
        text = path.read_text("utf-8-sig")
        body = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise UsageFault(f"{path} is not {kind}: {error}: correct it there") from error
    if not isinstance(body, dict):
        raise UsageFault(f"{path} must contain a JSON object: write {{…}} around it")
    return body


def values_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """Parse parameters such as ``name=1,2,4``; put a backslash before a comma inside a value.

    Raises:
        UsageFault: there is no ``=``, or a name is given twice.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name.strip():
            raise UsageFault(f"--param {text}: write it as name=value or name=value,value")
        if name in found:
            raise UsageFault(f"--param {name} is given twice: write --param {name}=value,value")
        found[name] = [each.replace("\0", ",") for each in values.replace("\\,", "\0").split(",")]
    return found


def submission(
    *,
    group: str,
    pipeline: str,
    inputs: Sequence[str],
    parameters: Mapping[str, Sequence[str]],
    config: str | None = None,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of a submission; the group's folder is optional in `inputs`."""
    body: dict[str, Any] = {"pipeline": pipeline, "inputs": [_in_group(group, each) for each in inputs]}
    if parameters:
        body["parameters"] = {name: list(values) for name, values in parameters.items()}
    if config:
        body["config"] = _in_group(group, config)
    if name:
        body["name"] = name
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    if given:
        body["overrides"] = given
    return body


def _in_group(group: str, text: str) -> str:
    return text if text.startswith(("s3://", f"{group}/")) else f"{group}/{text.removeprefix('/')}"


def inputs_of(body: Mapping[str, Any]) -> list[str]:
    """Return the inputs of a submission: ``inputs``, or ``dataname`` as in the older platform."""
    named = body.get("inputs", body.get("dataname", []))
    listed = named if isinstance(named, list) else [named]
    return [each for each in listed if isinstance(each, str)]


def grid(body: Mapping[str, Any]) -> int:
    """Return the number of combinations of parameters, which is the number of runs per input."""
    parameters = body.get("parameters", {})
    count = 1
    for value in parameters.values() if isinstance(parameters, dict) else ():
        count *= len(dict.fromkeys(map(str, value))) if isinstance(value, list) else 1
    return count


def put(deployed: Deployed, group: str, kind: str, body: Mapping[str, Any]) -> Sent:
    """Upload a request; it is processed within seconds."""
    bucket = deployed.description.input_bucket
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = f"{group}/{keys.SUBMISSIONS}/{moment}-{secrets.token_hex(4)}-{kind}.json"
    text = json.dumps(body, ensure_ascii=False, indent=1, default=str).encode()
    answer = deployed.s3.put_object(Bucket=bucket, Key=key, Body=text, ContentType="application/json")
    return Sent(uri=keys.uri(bucket, key), key=key, version_id=answer.get("VersionId", ""))
