"""Claiming runs in the ledger: the first to write a run's item owns it, everyone after finds a duplicate."""

from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.keys import uri
from dropbatch.contract.runs import State, order, split_request_id
from lambdas.arrival.admission import Admitted
from lambdas.common.items import write_where_true

__all__ = ["claim", "claim_item", "put_if_new", "request_fields"]

_ABSENT = "attribute_not_exists(id)"


def claim_item(admitted: Admitted, *, job_name: str, now: str) -> dict[str, Any]:
    """RUN item, in plain values, of a run about to be submitted under `job_name`."""
    run = admitted.run
    # Few runs have any of these, and the ledger's space is paid for.
    seldom = {
        "marker": run.marker,
        "parent": admitted.parent,
        "overrides": admitted.overrides.to_dict(),
        "config": run.config._asdict() if run.config else None,
        # Of a run that makes another one again; what a folder consisted of is in that one's record.
        "definition": admitted.definition if admitted.reproduces else "",
        "reproduces": admitted.reproduces,
        "repeats": admitted.repeats,
        "name": admitted.name,
        **request_fields(admitted.request),
    }
    return {
        "id": ledger.run_key(run.group, run.run_id),
        "group": run.group,
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "state": State.HELD,
        "attempt": run.attempt,
        "order": order(run.attempt, State.HELD),
        "input": uri(run.bucket, run.key),
        "version_id": run.version_id,
        "size": run.size,
        "output_prefix": run.output,
        "parameters": dict(run.parameters),
        "pool": admitted.pool,
        "job_name": job_name,
        "created_at": now,
        "updated_at": now,
        "day": ledger.day_key(run.group, now[:10], run.run_id),
        "unfinished": ledger.unfinished_key(run.run_id),
        **{name: value for name, value in seldom.items() if value},
    }


def request_fields(identity: str) -> dict[str, str]:
    """Fields of a RUN item that name the request it came of; none for none."""
    if not identity:
        return {}
    key, version_id = split_request_id(identity)
    return {"request": key, "request_version": version_id}


def claim(dynamodb: Any, table: str, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Write the items whose id is new, at most `MAX_TRANSACTION` of them, all with distinct ids.

    Returns:
        The items that were written; the others existed already.

    Raises:
        ClientError: throttled or refused. Some items may be written: their runs are HELD and reconcile finds them.
    """
    return write_where_true(dynamodb, items, lambda item: put_if_new(table, item))


def put_if_new(table: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of TransactItems that writes an item whose id is new."""
    return {"Put": {"TableName": table, "Item": ledger.to_item(item), "ConditionExpression": _ABSENT}}
