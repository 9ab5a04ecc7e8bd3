"""Next steps of chains: what comes after a run that succeeded."""

from collections.abc import Iterator, Mapping
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, next_run_id
from lambdas.arrival.admission import Admitted
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.batches import Failures, chunks
from lambdas.common.items import MAX_TRANSACTION, read_items
from lambdas.common.messages import Message

__all__ = ["following", "next_steps"]


def following(
    messages: Mapping[str, Message], around: Surroundings, failures: Failures
) -> Iterator[tuple[str, Admitted]]:
    """What comes after the runs that finished, each with the id of the message that says so."""
    asked = {
        ledger.run_key(parent.group, parent.run_id): message_id
        for message_id, message in messages.items()
        for parent in message.finished
    }
    for part in chunks(asked, MAX_TRANSACTION):
        if failures.put_off(asked[key] for key in part):
            continue
        with failures.collect(*(asked[key] for key in part)):
            for key, parent in read_items(around.dynamodb, around.table, part).items():
                yield from ((asked[key], step) for step in next_steps(parent, around.deployment))


def next_steps(parent: Mapping[str, Any], deployment: Deployment) -> Iterator[Admitted]:
    """The runs that come after a run, given as its RUN item: one for every pipeline that names this one in `after`.

    A run's id follows from pipeline and parent, so that asking twice is asking once. After a run that was only made
    again to be compared nothing comes.
    """
    if parent.get("state") != State.SUCCEEDED or "reproduces" in parent:
        return
    group, pipeline, prefix = parent["group"], parent["pipeline"], parent["output_prefix"]
    bucket, _ = keys.split_uri(parent["output"])
    rest = prefix.removeprefix(f"{group}/{pipeline}/").removesuffix(f"/{parent['run_id']}/")
    for name in deployment.children(pipeline):
        child = deployment.pipelines[name]
        if group not in child.definitions:
            continue
        identity = next_run_id(name, parent["run_id"])
        run = RunSpec(
            run_id=identity,
            attempt=1,
            group=group,
            pipeline=name,
            bucket=bucket,
            key=prefix,
            version_id="",
            size=0,
            output=keys.output_prefix(group, name, rest, identity),
            parameters=parent["parameters"],
            # The parent's record closes its folder; it is no data.
            marker=keys.record_key(prefix),
        )
        pool = child.pools[0]
        yield Admitted(
            run=run,
            definition=child.definitions[group],
            pool=pool,
            queue=deployment.pools[pool].queue,
            parent=parent["run_id"],
        )
