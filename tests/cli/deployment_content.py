"""Content of the simulated deployment that tests of several commands write or read."""

import json
from datetime import UTC, datetime
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State
from dropbatch.contract.usage import MonthUsage, Usage
from tests.cli.conftest import INPUT, OUTPUT, TABLE, World

DEFINITION = "dropbatch-sandbox-wordcount-lab:3"


def spend(world: World, pipeline: str, run_id: str, **usage: Any) -> None:
    """Add usage of a run to this month's ledger."""
    key = ledger.usage_key("lab", f"{datetime.now(UTC):%Y-%m}", run_id)
    fields = MonthUsage.of(Usage(**usage)).fields(pipeline)
    world.dynamodb.put_item(TableName=TABLE, Item=ledger.to_item({"id": key, **fields}))


def done(world: World, files: dict[str, bytes], *, identity: str | None = None, **changes: Any) -> dict[str, Any]:
    """Write a succeeded run whose record pins its input, image and job definition."""
    pinned: dict[str, Any] = {"version_id": "v1", "parameters": {}}
    item = world.item(State.RUNNING, identity=identity, **pinned)
    world.publish(item, files)
    key = keys.record_key(item["output_prefix"])
    record = json.loads(world.s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read())
    record |= {
        "input": item["input"],
        "inputs": [{"uri": item["input"], "size": 3, "sha256": "aa", "version_id": "v1"}],
        "job_definition": DEFINITION,
        **changes,
    }
    world.s3.put_object(Bucket=OUTPUT, Key=key, Body=json.dumps(record).encode())
    # Written last, as in a real run: a command that follows the run then reads its record.
    return world.item(State.SUCCEEDED, identity=item["run_id"], **pinned)


def asked(world: World) -> list[tuple[str, Any]]:
    """Return the kind and body of each request object in the input bucket."""
    listed = world.s3.list_objects_v2(Bucket=INPUT, Prefix="lab/submissions/").get("Contents", [])
    return [
        (
            each["Key"].rpartition("-")[2].removesuffix(".json"),
            json.loads(world.s3.get_object(Bucket=INPUT, Key=each["Key"])["Body"].read()),
        )
        for each in listed
    ]
