"""The list of generated pages."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from checks.reference import commands, environment, errors, ledger, schemas
from dropbatch.settings.schema import json_schema

__all__ = ["ROOT", "pages"]

ROOT = Path(__file__).resolve().parents[2]


@cache
def pages() -> Mapping[Path, str]:
    """Return the text of every generated page by path."""
    folder = ROOT / "docs" / "reference"
    schema = json_schema()
    return {
        folder / "environment.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        folder / "environment.md": environment.page(schema),
        folder / "commands.md": commands.page(),
        folder / "errors.md": errors.page(ROOT),
        ROOT / "docs" / "ledger.md": ledger.page(),
        folder / "records.md": schemas.page(ROOT / "docs"),
    }
