"""JSON in the one form that Terraform's provider gives back unchanged."""

import json
from typing import Any

__all__ = ["json_text"]


def json_text(value: Any) -> str:
    """JSON without spaces and with sorted keys, as Terraform's ``jsonencode`` writes it.

    The provider brings some arguments into this form only once they are known, so that in another form the next plan
    would show a change.
    """
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
