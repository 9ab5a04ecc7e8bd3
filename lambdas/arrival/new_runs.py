"""Write new runs to the ledger: claimed or rejected. A run that exists already is a duplicate and is not written."""

from collections.abc import Sequence

from dropbatch.contract.items import Run
from dropbatch.contract.keys import uri
from dropbatch.contract.runs import State, split_request_id
from lambdas.arrival.admission import Admitted, Rejected
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import CLAIM, REJECT

__all__ = ["claim", "claimed_run", "reject", "rejected_run"]


def claimed_run(admitted: Admitted, *, job_name: str, now: str) -> Run:
    """Return the HELD run of an admitted file or request, assigned to job `job_name`."""
    spec = admitted.run
    request, request_version = split_request_id(admitted.request) if admitted.request else ("", "")
    return Run(
        group=spec.group,
        run_id=spec.run_id,
        pipeline=spec.pipeline,
        state=State.HELD,
        attempt=spec.attempt,
        input=uri(spec.bucket, spec.key),
        version_id=spec.version_id,
        size=spec.size,
        created_at=now,
        updated_at=now,
        output_prefix=spec.output,
        parameters=spec.parameters,
        config=spec.config,
        marker=spec.marker,
        pool=admitted.pool,
        job_name=job_name,
        overrides=admitted.overrides,
        # Only the definition is stored: the pinned objects of a folder are in the record of the original run.
        definition=admitted.definition if admitted.reproduces else "",
        parent=admitted.parent,
        repeats=admitted.repeats,
        reproduces=admitted.reproduces,
        name=admitted.name,
        request=request,
        request_version=request_version,
    )


def rejected_run(rejected: Rejected, *, now: str) -> Run:
    """Return the REJECTED run of a rejected file or request. It is pending until the state is published."""
    request, request_version = split_request_id(rejected.request) if rejected.request else ("", "")
    return Run(
        group=rejected.group,
        run_id=rejected.run_id,
        pipeline=rejected.pipeline,
        state=State.REJECTED,
        attempt=0,
        input=uri(rejected.arrival.bucket, rejected.arrival.key),
        version_id=rejected.arrival.version_id,
        size=rejected.arrival.size,
        created_at=now,
        updated_at=now,
        reason=rejected.reason,
        request=request,
        request_version=request_version,
    )


def claim(table: Ledger, runs: Sequence[Run]) -> list[Run]:
    """Write the new ones among at most `MAX_ITEMS` runs with distinct ids.

    Returns:
        The runs that were written; the others existed already.

    Raises:
        ClientError: DynamoDB throttled or refused the call. Runs that were written are HELD, and reconcile finds them.
    """
    return table.write_each(runs, lambda run: CLAIM.put(table.table, run))


def reject(table: Ledger, runs: Sequence[Run]) -> list[Run]:
    """Write the new ones among rejected runs, like `claim`."""
    return table.write_each(runs, lambda run: REJECT.put(table.table, run))
