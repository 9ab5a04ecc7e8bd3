"""What a pipeline asks of the runtime: one environment variable of its job definitions."""

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Options", "OptionsError"]


class OptionsError(ValueError):
    """The text does not hold options."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How arguments are read, and what a run must have."""

    input_flags: tuple[str, ...] = ()
    """Options of the program whose `s3://` values are inputs: not there is an error."""
    output_flags: tuple[str, ...] = ()
    """Options of the program whose `s3://` values are outputs: what is there already does not matter."""
    requires_config: str = ""
    """What to tell people who start a run without a config; empty: runs may have none."""
    requires_output: bool = False
    """Whether success without a result is a failure."""

    def to_json(self) -> str:
        """Text of the options; equal options give equal text, and options that say nothing an empty one."""
        said = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(said, ensure_ascii=False, sort_keys=True) if said else ""

    @classmethod
    def from_json(cls, text: str) -> "Options":
        """Read what `to_json` gave.

        Raises:
            OptionsError: not JSON, or an option this version does not know.
        """
        try:
            values: dict[str, Any] = json.loads(text) if text else {}
            for name in values.keys() & {"input_flags", "output_flags"}:
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise OptionsError(f"not options of this version: {error}") from error
