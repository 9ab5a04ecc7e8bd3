"""Parse a request file: JSON or TOML to plain values. Pure."""

import json
import tomllib
from collections.abc import Sequence
from typing import Any

from lambdas.arrival.requests.faults import Fault, FaultsError

__all__ = ["MAX_BYTES", "read"]

MAX_BYTES = 1024 * 1024
"""Maximum size of a request file."""


def read(body: bytes, *, toml: bool) -> dict[str, Any]:
    """Parse JSON or TOML. A byte order mark, which some editors write, is allowed.

    Raises:
        FaultsError: the text is not valid; has the place.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Fault(place=f"byte {error.start + 1}", text="the file is not UTF-8: save it with that encoding")
        raise FaultsError(fault) from error
    try:
        return _toml(text) if toml else _json(text)
    except RecursionError as error:
        raise FaultsError(Fault(place="", text="the file is nested too deeply: keep it flat")) from error


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise FaultsError(Fault(place="", text=f"the file is not TOML: {error}: correct that place")) from error


def _json(text: str) -> dict[str, Any]:
    repeated: list[str] = []

    def table(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(sorted({name for name in names if names.count(name) > 1}))
        return values

    try:
        body = json.loads(text, object_pairs_hook=table, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FaultsError(Fault(place=place, text=f"the file is not JSON: {error.msg}: correct that place")) from error
    except ValueError as error:
        raise FaultsError(Fault(place="", text=f"the file is not JSON: {error}: correct that value")) from error
    if repeated:
        raise FaultsError(*(Fault(place=name, text="is given twice: keep one") for name in repeated))
    if not isinstance(body, dict):
        kind = "a list" if isinstance(body, list) else "a single value"
        raise FaultsError(Fault(place="", text=f"the file must hold an object, got {kind}: write {{…}} around it"))
    return body


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
