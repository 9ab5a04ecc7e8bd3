"""Fields of a request, read one by one; every fault is noted and reading goes on. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from dropbatch.contract.suggestions import known_names
from lambdas.arrival.requests.faults import Fault, shown

__all__ = ["Fields"]


class Fields:
    """A table of a request with the faults found so far."""

    def __init__(
        self,
        body: Mapping[str, Any],
        faults: list[Fault],
        within: str = "",
        *,
        written: Mapping[str, str] | None = None,
    ) -> None:
        """`within` is the place of the table; `written` says how fields are called in the file, if otherwise."""
        self._body = body
        self._within = within
        self._written = written or {}
        self.faults = faults

    def __contains__(self, name: str) -> bool:
        return name in self._body

    def __iter__(self) -> Iterable[str]:
        return iter(self._body)

    def fault(self, name: str, text: str) -> None:
        """Note a fault at a field."""
        self.faults.append(Fault(place=self.place(name), text=text))

    def place(self, name: str) -> str:
        """Where a field is."""
        field, bracket, index = name.partition("[")
        name = f"{self._written.get(field, field)}{bracket}{index}"
        return f"{self._within}.{name}" if self._within else name

    def only(self, *known: str) -> None:
        """Note every field that has no meaning."""
        for name in self._body:
            if name not in known:
                self.fault(shown(name).strip("'"), f"unknown field: {known_names(name, known)}")

    def text(self, name: str, *, longest: int = 1000) -> str | None:
        """A text that is not empty; None when it is missing or wrong."""
        if name not in self._body:
            return None
        return self._text(name, self._body[name], longest)

    def texts(self, name: str, *, most: int) -> list[tuple[str, str]]:
        """A text or a list of texts, each with its place."""
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

    def whole(self, name: str, *, least: int, most: int, limit: str) -> int | None:
        """A whole number within bounds; `limit` says whose the upper one is."""
        if name not in self._body:
            return None
        value = self._body[name]
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, f"must be a whole number, got {shown(value)}: write it bare, without quotes or a unit")
            return None
        if not least <= value <= most:
            self.fault(name, f"must be from {least} to {most} ({limit}), got {value}: choose a value between")
            return None
        return value

    def table(self, name: str) -> Mapping[str, Any]:
        """A table; an empty one when it is missing or wrong."""
        value = self._body.get(name, {})
        if not isinstance(value, dict):
            self.fault(name, f"must be a table of names and values, got {shown(value)}: write {{…}} or [{name}]")
            return {}
        return value

    def within(self, name: str) -> "Fields":
        """The fields of a table."""
        return Fields(self.table(name), self.faults, self.place(name))

    def _text(self, name: str, value: Any, longest: int) -> str | None:
        if not isinstance(value, str):
            self.fault(name, f"must be a text, got {shown(value)}: put it in quotes")
        elif not value.strip():
            self.fault(name, "must not be empty: fill it in, or leave the field out")
        elif len(value) > longest:
            self.fault(name, f"must have at most {longest} characters, got {len(value)}: shorten it")
        elif "\0" in value or not _is_unicode(value):
            self.fault(name, f"must be readable text, got {shown(value)}: remove what is not")
        else:
            return value
        return None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
