"""Held runs that were asked for again: each gets a new job, unless somebody else has moved it on."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State
from lambdas.arrival.gates import Gates
from lambdas.arrival.jobs import MAX_ARRAY, new_job_name
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.items import read_items, write_where_true
from lambdas.common.own_messages import Held
from lambdas.common.specs import spec_of

__all__ = ["Batch", "TakeOver"]

log = logging.getLogger("dropbatch")


class _Kind(NamedTuple):
    """What runs of one job have in common."""

    definition: str
    pool: str
    overrides: Overrides


class Batch(NamedTuple):
    """Runs that were taken over, for one job."""

    job_name: str
    definition: str
    pool: str
    overrides: Overrides
    runs: list[RunSpec]


class _Move(NamedTuple):
    item: Mapping[str, Any]
    run: RunSpec
    kind: _Kind
    job_name: str


class TakeOver:
    """Gathers held runs over one invocation."""

    def __init__(self, around: Surroundings, *, gates: Gates, now: str) -> None:
        """`now` is a `timestamp`."""
        self._around = around
        self._dynamodb = around.dynamodb
        self._table = around.table
        self._deployment = around.deployment
        self._gates = gates
        self._now = now
        self._batches: dict[_Kind, list[Batch]] = {}
        self._promised: dict[_Kind, tuple[str, int]] = {}

    def take(self, asked: Sequence[Held]) -> None:
        """Give these runs, at most `MAX_TRANSACTION`, jobs of this invocation where nobody else has."""
        items = read_items(self._dynamodb, self._table, (ledger.run_key(held.group, held.run_id) for held in asked))
        moves = [move for held in asked if (move := self._move(held, items)) is not None]
        for move in write_where_true(self._dynamodb, moves, self._step):
            self._keep(move)

    def batches(self) -> Iterator[Batch]:
        """What is to be submitted."""
        for batches in self._batches.values():
            yield from batches

    def _move(self, held: Held, items: Mapping[str, Mapping[str, Any]]) -> _Move | None:
        item = items.get(ledger.run_key(held.group, held.run_id), {})
        waits = item.get("state") == State.HELD and item["job_name"] == held.job_name
        if not waits or item["pipeline"] not in self._deployment.pipelines:
            log.info("held run %s/%s needs nothing: %s", held.group, held.run_id, item.get("state", "no such run"))
            return None
        pipeline = self._deployment.pipelines[item["pipeline"]]
        # A run may have asked for a pool that its pipeline does not name: then only that one will do.
        named = item["pool"] in pipeline.pools or item["pool"] not in self._deployment.pools
        pool = self._gates.place(pipeline.pools if named else (item["pool"],), item["pool"])
        if pool is None or item["group"] not in pipeline.definitions:
            log.info("run %s stays held: its pools have no capacity", item["run_id"])
            return None
        run = self._run({**item, "pool": pool})
        if run is None:
            return None
        definition = item.get("definition") or pipeline.definitions[item["group"]]
        kind = _Kind(definition, pool, Overrides.from_item(item))
        return _Move(item=item, run=run, kind=kind, job_name=self._name(kind, item))

    def _run(self, item: Mapping[str, Any]) -> RunSpec | None:
        run = spec_of(item)
        if not run.is_folder or (run.attempt == 1 and not item.keys() & {"reproduces", "repeats"}):
            return run
        # Seldom: what reads records is no part of every cold start.
        from lambdas.arrival.originals import NotReproducibleError, Originals  # noqa: PLC0415

        originals = Originals(self._around)
        if "reproduces" not in item:
            _, objects = originals.folder(item)
            return run._replace(objects=objects)
        try:
            return run._replace(objects=originals.pins_behind(item).objects)
        except NotReproducibleError as error:
            log.error("run %s stays held: %s", item["run_id"], error)
            return None

    def _name(self, kind: _Kind, item: Mapping[str, Any]) -> str:
        """The job's name, a new one for each `MAX_ARRAY` runs of a kind."""
        name, count = self._promised.get(kind, ("", 0))
        if count % MAX_ARRAY == 0:
            name = new_job_name(item["pipeline"], item["group"])
        self._promised[kind] = (name, count + 1)
        return name

    def _step(self, move: _Move) -> Mapping[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": ledger.to_item({"id": move.item["id"]}),
                "UpdateExpression": "SET job_name = :new, updated_at = :now, #pool = :pool",
                "ConditionExpression": "#state = :held AND job_name = :old",
                "ExpressionAttributeNames": {"#state": "state", "#pool": "pool"},
                "ExpressionAttributeValues": ledger.to_item(
                    {
                        ":new": move.job_name,
                        ":now": self._now,
                        ":pool": move.kind.pool,
                        ":held": State.HELD,
                        ":old": move.item["job_name"],
                    }
                ),
            }
        }

    def _keep(self, move: _Move) -> None:
        batches = self._batches.setdefault(move.kind, [])
        batch = next((each for each in batches if each.job_name == move.job_name), None)
        if batch is None:
            kind = move.kind
            batch = Batch(
                job_name=move.job_name, definition=kind.definition, pool=kind.pool, overrides=kind.overrides, runs=[]
            )
            batches.append(batch)
        batch.runs.append(move.run)
