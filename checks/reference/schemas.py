"""Generate the page about records, events and requests from their JSON Schemas."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["page"]

_HEAD = """# Run record, events, requests

Generated from the JSON Schemas by `make reference`; the tests check that the code conforms to them. Within a version,
fields are only added.
"""
_SOURCES = {
    "run-record.schema.json": "Run record",
    "run-state-change.v1.schema.json": "Event of a run",
    "requests.v1.schema.json": "Requests",
}


def page(docs: Path) -> str:
    """Return Markdown with a section for each schema and a row for each field."""
    parts = [_HEAD]
    for file, title in _SOURCES.items():
        schema = json.loads((docs / file).read_text(encoding="utf-8"))
        named = schema.get("$defs", {})
        parts.append(f"## {title}\n\n{_cell(schema['description'])} [Schema](../{file}).\n")
        if "properties" in schema:
            parts += _table(schema, named)
        for name, part in named.items():
            if "properties" in part:
                parts.append(f"### {name}\n\n{_cell(part['description'])}\n")
                parts += _table(part, named)
    return "\n".join(parts).rstrip() + "\n"


def _table(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[str]:
    yield "| field | value | meaning |\n| --- | --- | --- |"
    for name, field in _fields(schema, ""):
        yield f"| `{name}` | {_kind(field, named)} | {_cell(field.get('description', ''))} |"
    yield ""


def _fields(schema: Mapping[str, Any], within: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{within}{name}", field
        yield from _fields(field, f"{within}{name}.")


def _kind(field: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    match field:
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": values}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"$ref": str(target)}:
            name = target.rsplit("/", 1)[-1]
            return f"[{name}](#{name})" if "properties" in named[name] else _kind(named[name], named)
        case {"anyOf": several} | {"oneOf": several}:
            return " or ".join(dict.fromkeys(_kind(each, named) for each in several))
        case {"type": "array", "items": items}:
            return f"list of {_kind(items, named)}"
        case {"type": "object", "additionalProperties": Mapping() as values}:
            return f"object of {_kind(values, named)}"
        case {"type": list(several)}:
            return " or ".join(several)
        case {"type": kind}:
            return str(kind)
    return "anything"


def _cell(text: str) -> str:
    """Return the text as an escaped sentence for a table cell, or "" for an empty text."""
    start = text if text.startswith("s3://") else text[:1].upper() + text[1:]
    return (start.rstrip(".") + ".").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*") if text else ""
