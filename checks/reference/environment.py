"""Generate the page about the environment file from its JSON Schema."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["page"]

_HEAD = """# The environment file

Generated from the settings model by `make reference`. Each environment has one TOML file in `environments/`, named like
the environment. `make synth` lists all mistakes, each with file, key, rule, value and fix. For completion and checks
while you type, begin the file with this line, which editors with a TOML language server understand:

```toml
#:schema ../docs/reference/environment.schema.json
```

Keys without a default are required in their table.
"""

_LONGEST_PATTERN = 40


def page(schema: Mapping[str, Any]) -> str:
    """Return Markdown with a section for each table and a row for each key."""
    parts = [_HEAD]
    for name, table in schema["properties"].items():
        named = table.get("patternProperties")
        heading = f"[{name}.<name>]" if named else f"[{name}]"
        parts += _section(heading, next(iter(named.values())) if named else table)
    parts += [line for name, table in sorted(schema["$defs"].items()) for line in _definition(name, table)]
    return "\n".join(parts).rstrip() + "\n"


def _section(heading: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield f"## `{heading}`\n"
    yield from _body(table)


def _definition(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield from _body(table)


def _body(table: Mapping[str, Any]) -> Iterator[str]:
    # Remove the heading, with which each description begins.
    yield _sentence(table["description"].split(": ", 1)[-1]) + "\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    for key, value in table.get("properties", {}).items():
        required = key in table.get("required", ())
        default = "" if required else _default(value)
        yield f"| `{key}` | {_type(value)} | {default} | {_cell(value.get('description', ''))} |"
    yield ""


def _default(value: Mapping[str, Any]) -> str:
    if value.get("default") in (None, "", [], {}):
        return "none"
    return f"`{_toml(value['default'])}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return f"a table, see [{_name(value)}](#{_name(value).lower()})"
    if "enum" in value:
        return " or ".join(f"`{_toml(each)}`" for each in value["enum"])
    if "const" in value:
        return f"`{_toml(value['const'])}`"
    if "anyOf" in value:
        return ", or ".join(_type(each) for each in value["anyOf"])
    match value.get("type"):
        case "array":
            return f"list of {_type(value['items'])}"
        case "object":
            inner = value.get("additionalProperties") or next(iter(value.get("patternProperties", {"": {}}).values()))
            return f"table of {_type(inner) if isinstance(inner, Mapping) else 'text'}"
        case "string":
            pattern = value.get("pattern", "")
            return f"text like `{_cell(pattern)}`" if 0 < len(pattern) <= _LONGEST_PATTERN else "text"
        case "integer" | "number" as kind:
            word = "integer" if kind == "integer" else "number"
            low, high = value.get("minimum", value.get("exclusiveMinimum")), value.get("maximum")
            return word + (f" {low} to {high}" if low is not None and high is not None else "")
        case "boolean":
            return "`true` or `false`"
    return "anything"


def _name(value: Mapping[str, Any]) -> str:
    return str(value["$ref"].rsplit("/", 1)[-1])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
