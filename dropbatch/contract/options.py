"""A pipeline's options for the runtime, which the job definition passes in one environment variable."""

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Options", "OptionsError"]


class OptionsError(ValueError):
    """The text is not valid options."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the runtime treats arguments of the program, and what it requires of a run."""

    input_flags: tuple[str, ...] = ()
    """Options of the program whose `s3://` values are inputs; a missing object is an error."""
    output_flags: tuple[str, ...] = ()
    """Options of the program whose `s3://` values are outputs, even if an object exists there."""
    requires_config: str = ""
    """Error message for a run without a config file; empty if the config is optional."""
    requires_output: bool = False
    """Whether a run fails if its program succeeds without a result."""

    def to_json(self) -> str:
        """Return the options as text: equal texts for equal options, an empty one if all have their defaults."""
        values = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(values, ensure_ascii=False, sort_keys=True) if values else ""

    @classmethod
    def from_json(cls, text: str) -> "Options":
        """Read the text that `to_json` returned.

        Raises:
            OptionsError: the text is not JSON, or has an unknown option.
        """
        try:
            values: dict[str, Any] = json.loads(text) if text else {}
            for name in values.keys() & {"input_flags", "output_flags"}:
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise OptionsError(f"not options of this version: {error}") from error
