"""The environment file as a JSON Schema, for editors of TOML."""

from typing import Any

from pydantic import TypeAdapter

from dropbatch.settings.reader import NAMED_TABLES, TABLES

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12). Rules that involve more than one key are checked at synth only."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, model in TABLES.items():
        table = _lifted(model.model_json_schema(), definitions)
        properties[name] = table
        if table.get("required"):
            required.append(name)
    for name, (model, name_type) in NAMED_TABLES.items():
        table = _lifted(model.model_json_schema(), definitions)
        pattern = TypeAdapter(name_type).json_schema()["pattern"]
        properties[name] = {
            "type": "object",
            "description": table["description"],
            "patternProperties": {pattern: table},
            "additionalProperties": False,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dropbatch environment file",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _lifted(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema in an editor's words; what it defines goes to those of the whole file."""
    definitions.update(_plain(schema.pop("$defs", {})))
    plain: dict[str, Any] = _plain(schema)
    return plain


def _plain(node: Any) -> Any:
    """Without titles that only repeat names, null (TOML has none) and the marks of reStructuredText."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    if [*node.get("anyOf", [])][1:] == [{"type": "null"}]:
        node = {**node["anyOf"][0], **{key: value for key, value in node.items() if key != "anyOf"}}
    found = {
        key: _plain(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    if isinstance(found.get("description"), str):
        found["description"] = found["description"].replace("``", "`").replace("\n", " ")
    return found
