"""A stub of the deployed functions that records each invocation."""

import io
import json
from typing import Any

LETTERS = {"letters": [{"message_id": "m-1", "reason": "not JSON\x1b[2J", "body": "{"}]}


class Functions:
    """Answer like the deployed functions, and record each invocation."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error = ""
        self.letters: dict[str, Any] = LETTERS

    def invoke(self, **call: Any) -> dict[str, Any]:
        asked = json.loads(call["Payload"])
        self.calls.append((call["FunctionName"], asked))
        answers: dict[str, dict[str, Any]] = {"dead-letters": self.letters, "redrive": {"redriven": 1, "reasons": {}}}
        body = answers.get(asked["action"], {"did": f"{asked['action']}d"})
        if self.error:
            return {
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps({"errorMessage": self.error}).encode()),
            }
        return {"Payload": io.BytesIO(json.dumps(body).encode())}
