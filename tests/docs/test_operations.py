"""The steps on the operations page copy a restored ledger back."""

import os
import re
import subprocess
import sys

from dropbatch.contract.runs import State
from tests.cli.conftest import TABLE, World, _running, world
from tests.docs.pages import ROOT

__all__ = ["_running", "world"]


def test_a_restored_table_is_copied_back(world: World) -> None:
    kept = [world.item(State.SUCCEEDED, name=f"{number}.txt", usage={"vcpu_ms": number}) for number in range(30)]
    restored = f"{TABLE}-restored"
    world.dynamodb.create_table(
        TableName=restored,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    before = world.dynamodb.scan(TableName=TABLE)["Items"]
    for item in before:
        world.dynamodb.put_item(TableName=restored, Item=item)
        world.dynamodb.delete_item(TableName=TABLE, Key={"id": item["id"]})
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"python3 - <<'END'\n(.*?)\n  END\n", page, re.DOTALL)

    subprocess.run(
        [sys.executable, "-c", re.sub(r"(?m)^  ", "", script).replace("dropbatch-prod-ledger", TABLE)],
        env=os.environ | world.sandbox.environ(),
        check=True,
        timeout=60,
    )

    after = world.dynamodb.scan(TableName=TABLE)["Items"]
    assert len(after) >= len(kept)
    assert sorted(after, key=str) == sorted(before, key=str)
    world.dynamodb.delete_table(TableName=restored)
