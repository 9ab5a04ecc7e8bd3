"""Parse request files: JSON or TOML to plain values, and values to checked fields. Pure."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dropbatch.contract.suggestions import known_names
from lambdas.arrival.requests.faults import Fault, FaultsError, shown

__all__ = ["MAX_BYTES", "Fields", "read"]

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


class Fields:
    """A table of a request, and the faults found so far."""

    def __init__(
        self,
        body: Mapping[str, Any],
        faults: list[Fault],
        within: str = "",
        *,
        written: Mapping[str, str] | None = None,
    ) -> None:
        """`within` is the table's place in the file; `written` has the names in the file of renamed fields."""
        self._body = body
        self._within = within
        self._written = written or {}
        self.faults = faults

    def __contains__(self, name: str) -> bool:
        return name in self._body

    def __iter__(self) -> Iterable[str]:
        return iter(self._body)

    def fault(self, name: str, text: str) -> None:
        """Add a fault of a field."""
        self.faults.append(Fault(place=self.place(name), text=text))

    def place(self, name: str) -> str:
        """Return the place of a field, for faults."""
        field, bracket, index = name.partition("[")
        name = f"{self._written.get(field, field)}{bracket}{index}"
        return f"{self._within}.{name}" if self._within else name

    def only(self, *known: str) -> None:
        """Add a fault for every unknown field."""
        for name in self._body:
            if name not in known:
                self.fault(shown(name).strip("'"), f"unknown field: {known_names(name, known)}")

    def text(self, name: str, *, longest: int = 1000) -> str | None:
        """Return a non-empty text; None when it is missing or wrong."""
        if name not in self._body:
            return None
        return self._text(name, self._body[name], longest)

    def texts(self, name: str, *, most: int) -> list[tuple[str, str]]:
        """Return the texts of a field that holds one text or a list, each with its place."""
        value = self._body.get(name, [])
        if not isinstance(value, list):
            single = self._text(name, value, 2000)
            return [] if single is None else [(self.place(name), single)]
        if name in self._body and not value:
            self.fault(name, "must not be empty: name at least one")
        if len(value) > most:
            self.fault(name, f"must have at most {most} entries, got {len(value)}: split the request")
            return []
        found = []
        for index, each in enumerate(value):
            text = self._text(f"{name}[{index}]", each, 2000)
            if text is not None:
                found.append((self.place(f"{name}[{index}]"), text))
        return found

    def integer(self, name: str, *, least: int, most: int, limit: str) -> int | None:
        """Return a whole number; None when it is missing or wrong. `limit` explains the bound `most` in faults."""
        if name not in self._body:
            return None
        value = self._body[name]
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, f"must be a whole number, got {shown(value)}: write it without quotes or a unit")
            return None
        if not least <= value <= most:
            self.fault(name, f"must be from {least} to {most} ({limit}), got {value}: choose a value between")
            return None
        return value

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a table; an empty one when it is missing or wrong."""
        value = self._body.get(name, {})
        if not isinstance(value, dict):
            self.fault(name, f"must be a table of names and values, got {shown(value)}: write {{…}} or [{name}]")
            return {}
        return value

    def within(self, name: str) -> "Fields":
        """Return the fields of a nested table."""
        return Fields(self.table(name), self.faults, self.place(name))

    def _text(self, name: str, value: Any, longest: int) -> str | None:
        if not isinstance(value, str):
            self.fault(name, f"must be a text, got {shown(value)}: put it in quotes")
        elif not value.strip():
            self.fault(name, "must not be empty: fill it in, or leave the field out")
        elif len(value) > longest:
            self.fault(name, f"must have at most {longest} characters, got {len(value)}: shorten it")
        elif "\0" in value or not _is_unicode(value):
            self.fault(name, f"must be valid text, got {shown(value)}: remove the invalid characters")
        else:
            return value
        return None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
