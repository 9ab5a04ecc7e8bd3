"""`reproduce` requests: new runs with exactly the inputs and job definition of earlier ones."""

from collections.abc import Mapping, Sequence

from dropbatch.contract.items import Run
from dropbatch.contract.reproduction import NotReproducibleError, Pins
from lambdas.arrival.admission import Admitted
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.reproducible import Originals, output_beside
from lambdas.arrival.requests.actions import NamedRun
from lambdas.arrival.requests.faults import Fault, FaultsError

__all__ = ["AT_ONCE", "Reproducer"]

AT_ONCE = 100
"""Runs that one request may name: all their records are read before one run starts."""


class Reproducer:
    """Makes the runs of `reproduce` requests."""

    def __init__(self, deps: Dependencies) -> None:
        self._deployment = deps.deployment
        self._originals = Originals(deps)

    def runs(self, named: Sequence[NamedRun], runs_by_id: Mapping[str, Run], *, mark: str) -> list[Admitted]:
        """Return the runs that reproduce the named runs.

        Args:
            named: the original runs, as the request names them.
            runs_by_id: the original runs as the ledger has them.
            mark: the request's identity.

        Raises:
            FaultsError: some runs cannot be reproduced; has the reason for each.
        """
        faults: list[Fault] = []
        found: list[tuple[NamedRun, Pins]] = []
        for each in named:
            try:
                pins = self._pins(runs_by_id[each.run_id])
            except NotReproducibleError as error:
                faults.append(Fault(place=each.place, text=f"{each.run_id} cannot be reproduced: {error}"))
            else:
                found.append((each, pins))
        gone = self._originals.gone(pins.definition for _, pins in found)
        faults += [
            Fault(
                place=each.place,
                text=f"{each.run_id} cannot be reproduced: its job definition {pins.definition} was deregistered: "
                "use rerun.json for a run with the current program",
            )
            for each, pins in found
            if pins.definition in gone
        ]
        if faults:
            raise FaultsError(*faults)
        return [self._run(runs_by_id[each.run_id], pins, mark) for each, pins in found]

    def _pins(self, original: Run) -> Pins:
        pins = self._originals.pins(original)
        # The job definition decides which data the job can access, so a record with another definition is not used.
        own = self._deployment.pipelines[original.pipeline].definitions[original.group]
        if pins.definition.partition(":")[0] != own:
            raise NotReproducibleError(f"its record names {pins.definition}, but runs of its group use {own}")
        return pins

    def _run(self, original: Run, pins: Pins, mark: str) -> Admitted:
        group, pipeline = original.group, original.pipeline
        identity = pins.identity(group=group, pipeline=pipeline, original=original.run_id, request=mark)
        run = pins.run(run_id=identity, group=group, pipeline=pipeline, output=output_beside(original, identity))
        pools = self._deployment.pipelines[pipeline].pools
        pool = original.pool if original.pool in pools else pools[0]
        return Admitted(
            run=run._replace(marker=original.marker),
            definition=pins.definition,
            pool=pool,
            queue=self._deployment.pools[pool].queue,
            overrides=original.overrides,
            name=original.name,
            request=mark,
            reproduces=original.run_id,
        )
