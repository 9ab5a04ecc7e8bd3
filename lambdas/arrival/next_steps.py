"""Chains of pipelines: make the next runs after a run that succeeded."""

from collections.abc import Iterator, Mapping

from dropbatch.contract import keys, ledger
from dropbatch.contract.batches import MAX_ITEMS, chunks
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Run
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, next_run_id
from lambdas.arrival.admission import Admitted
from lambdas.arrival.dependencies import Dependencies
from lambdas.common.failures import Failures
from lambdas.common.messages import Message

__all__ = ["following", "next_steps"]


def following(
    messages: Mapping[str, Message], deps: Dependencies, failures: Failures
) -> Iterator[tuple[str, Admitted]]:
    """Yield the runs that follow finished runs, each with the id of the message about the finished run."""
    asked = {
        ledger.run_key(parent.group, parent.run_id): message_id
        for message_id, message in messages.items()
        for parent in message.finished
    }
    for part in chunks(asked, MAX_ITEMS):
        if failures.postpone(asked[key] for key in part):
            continue
        with failures.collect(*(asked[key] for key in part)):
            for key, parent in deps.ledger.runs(part).items():
                yield from ((asked[key], step) for step in next_steps(parent, deps.deployment))


def next_steps(parent: Run, deployment: Deployment) -> Iterator[Admitted]:
    """Yield one run for every pipeline that names the parent's pipeline in `after`.

    The id of such a run depends only on its pipeline and parent, so a repeated message makes the same runs. A run that
    reproduces another one has no next runs.
    """
    if parent.state is not State.SUCCEEDED or parent.reproduces:
        return
    group, pipeline, prefix = parent.group, parent.pipeline, parent.output_prefix
    bucket, _ = keys.split_uri(parent.output)
    rest = prefix.removeprefix(f"{group}/{pipeline}/").removesuffix(f"/{parent.run_id}/")
    for name in deployment.children(pipeline):
        child = deployment.pipelines[name]
        if group not in child.definitions:
            continue
        identity = next_run_id(name, parent.run_id)
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
            parameters=parent.parameters,
            # The parent's run record is the marker of this folder, and not part of the input.
            marker=keys.record_key(prefix),
        )
        pool = child.pools[0]
        yield Admitted(
            run=run,
            definition=child.definitions[group],
            pool=pool,
            queue=deployment.pools[pool].queue,
            parent=parent.run_id,
        )
