"""Read an environment file, and report all its faults at once."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from dropbatch.contract.suggestions import known_names
from dropbatch.settings import models
from dropbatch.settings.bootstrap import Bootstrap
from dropbatch.settings.models import DEFAULT_GROUP, Settings, Table
from dropbatch.settings.rules import check

__all__ = ["NAMED_TABLES", "TABLES", "SettingsError", "load", "load_all", "load_bootstrap"]


class SettingsError(ValueError):
    """One or more faults in environment files.

    Attributes:
        faults: one line each: file, key, rule, value and fix.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


TABLES: Mapping[str, type[Table]] = {
    "environment": models.EnvironmentSettings,
    "state": models.StateSettings,
    "notify": models.NotifySettings,
    "budget": models.BudgetSettings,
    "network": models.NetworkSettings,
    "storage": models.StorageSettings,
    "arrivals": models.ArrivalSettings,
    "observability": models.ObservabilitySettings,
}
"""The tables that a file has once."""
NAMED_TABLES: Mapping[str, tuple[type[Table], Any]] = {
    "compute": (models.PoolSettings, models.PoolName),
    "pipeline": (models.PipelineSettings, models.PipelineName),
    "group": (models.GroupSettings, models.GroupName),
}
"""The tables that are declared by name: ``[pipeline.<name>]``."""
_KNOWN = [*TABLES, *NAMED_TABLES]
_T = TypeVar("_T", bound=Table)


def load(path: Path) -> Settings:
    """Read and check one environment file.

    Raises:
        SettingsError: with every fault of the file.
    """
    body = _read(path)
    reader = _Reader(str(path))
    settings = reader.settings(body)
    pools = body.get("compute", {})
    declared = frozenset(pools if isinstance(pools, dict) else ())
    faults = reader.faults + [
        f"{path}: {fault}" for fault in check(settings, expected_name=path.stem, declared_pools=declared)
    ]
    if faults:
        raise SettingsError(faults)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}: correct that place; strings need quotes"]) from error


def load_bootstrap(path: Path) -> Bootstrap | None:
    """What an account needs once; none when there is no such file.

    Raises:
        SettingsError: with every fault of the file.
    """
    if not path.exists():
        return None
    reader = _Reader(str(path))
    found = reader.table(Bootstrap, _read(path))
    if found is None:
        raise SettingsError(reader.faults)
    return found


def load_all(directory: Path) -> list[Settings]:
    """Return all environments of a directory, in order of file name.

    Raises:
        SettingsError: with every fault of every file; or there is no file.
    """
    paths = sorted(directory.glob("*.toml"))
    if not paths:
        raise SettingsError([f"{directory}: holds no environment file: add one, such as {directory / 'dev.toml'}"])
    faults: list[str] = []
    found: list[Settings] = []
    for path in paths:
        try:
            found.append(load(path))
        except SettingsError as error:
            faults += error.faults
    if faults:
        raise SettingsError(faults)
    return found


class _Reader:
    """Validates table by table, so that a fault in one hides none in another."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[str] = []

    def settings(self, body: Mapping[str, Any]) -> Settings:
        """Settings of what could be read; tables with faults are absent or at their defaults."""
        for name in body:
            if name not in _KNOWN:
                self._fault(name, "unknown table", body[name], _unknown_fix(name, _KNOWN))
        found: dict[str, Any] = {
            name: self._table(model, body.get(name, {}), (name,)) for name, model in TABLES.items()
        }
        for name, (model, name_type) in NAMED_TABLES.items():
            found[name] = self._named(name, model, name_type, body.get(name, {}))
        if not found["group"] and not body.get("group"):
            found["group"] = {DEFAULT_GROUP: models.GroupSettings()}
        # Validated above, table by table; a table that failed is None and its fault is already on the list.
        return Settings.model_construct(**found)

    def table(self, model: type[_T], body: Any) -> _T | None:
        """A whole file that is one model."""
        return self._table(model, body, ())

    def _named(self, name: str, model: type[_T], name_type: Any, body: Any) -> dict[str, _T]:
        if not isinstance(body, Mapping):
            self._fault(name, "must be tables", body, f"write [{name}.<name>] with its keys below")
            return {}
        found: dict[str, _T] = {}
        names = TypeAdapter(name_type)
        for key, table in body.items():
            try:
                names.validate_python(key)
            except ValidationError as error:
                self._pydantic(error, (name, key), {})
                continue
            value = self._table(model, table, (name, key))
            if value is not None:
                found[key] = value
        return found

    def _table(self, model: type[_T], body: Any, where: tuple[str, ...]) -> _T | None:
        try:
            return model.model_validate(body)
        except ValidationError as error:
            self._pydantic(error, where, model.model_fields)
            return None

    def _pydantic(self, error: ValidationError, where: tuple[str, ...], fields: Mapping[str, Any]) -> None:
        for detail in error.errors(include_url=False):
            key = _dotted((*where, *detail["loc"]))
            rule, fix = _explain(detail, list(fields))
            self._fault(key, rule, None if detail["type"] == "missing" else detail["input"], fix)

    def _fault(self, key: str, rule: str, value: Any, fix: str) -> None:
        got = "" if value is None else f", got {_shown(value)}"
        self.faults.append(f"{self.file}: {key}: {rule}{got}: {fix}")


def _dotted(parts: tuple[str | int, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown_fix(name: str, known: list[str]) -> str:
    return known_names(name, known) if known else "remove it: nothing can be set here yet"


def _explain(detail: ErrorDetails, known: list[str]) -> tuple[str, str]:
    """Rule and fix of one of pydantic's errors, in an operator's words."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is required", "add it"
        case "extra_forbidden":
            return "unknown key", _unknown_fix(str(detail["loc"][-1]), known)
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}", "choose a value of that form"
        case "literal_error":
            return f"must be {context['expected']}", "choose one of them"
        case "greater_than_equal":
            return f"must be at least {context['ge']}", "raise it"
        case "less_than_equal":
            return f"must be at most {context['le']}", "lower it"
        case "too_short" | "string_too_short":
            return "must not be empty", "give at least one"
        case "value_error":
            return str(context["error"]), "choose another"
        case "model_type" | "model_attributes_type":
            return "must be a table", "write it as [table] with keys below"
    return detail["msg"][:1].lower() + detail["msg"][1:], "write a value of that type (strings in quotes, numbers bare)"
