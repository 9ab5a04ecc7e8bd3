"""Requests: files below ``<group>/submissions/`` that ask for runs, or for something to happen to runs."""

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
    """A request that was put."""

    uri: str
    key: str
    version_id: str


def read_file(path: Path) -> dict[str, Any]:
    """A request file as it is on disk; what it means is checked where it is carried out.

    Raises:
        NotFoundError, UsageFault: it is not there, or is neither JSON nor TOML.
    """
    if not path.is_file():
        raise NotFoundError(f"{path} is not a file: give a request in JSON or TOML, or --inputs")
    try:
        text = path.read_text("utf-8-sig")
        body = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise UsageFault(f"{path} is not {kind}: {error}: correct that place") from error
    if not isinstance(body, dict):
        raise UsageFault(f"{path} must hold an object: write {{…}} around it")
    return body


def values_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """Parameters from ``name=1,2,4``; a comma that is part of a value has a backslash before it.

    Raises:
        UsageFault: there is no ``=``, or a name comes twice.
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
    """Content of a ``submit.json``; inputs may leave out the group's folder."""
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
    """What a submission names, under today's field or the older platform's."""
    named = body.get("inputs", body.get("dataname", []))
    listed = named if isinstance(named, list) else [named]
    return [each for each in listed if isinstance(each, str)]


def grid(body: Mapping[str, Any]) -> int:
    """Combinations of parameters: runs for each input."""
    parameters = body.get("parameters", {})
    count = 1
    for value in parameters.values() if isinstance(parameters, dict) else ():
        count *= len(dict.fromkeys(map(str, value))) if isinstance(value, list) else 1
    return count


def put(deployed: Deployed, group: str, kind: str, body: Mapping[str, Any]) -> Sent:
    """Put a request; it is carried out within seconds."""
    bucket = deployed.description.input_bucket
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = f"{group}/{keys.SUBMISSIONS}/{moment}-{secrets.token_hex(4)}-{kind}.json"
    text = json.dumps(body, ensure_ascii=False, indent=1, default=str).encode()
    answer = deployed.s3.put_object(Bucket=bucket, Key=key, Body=text, ContentType="application/json")
    return Sent(uri=keys.uri(bucket, key), key=key, version_id=answer.get("VersionId", ""))
