"""Requests to make results again: new runs of exactly what runs that succeeded were made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract.overrides import Overrides
from dropbatch.contract.reproduction import NotReproducibleError, Pins
from lambdas.arrival.admission import Admitted
from lambdas.arrival.originals import Originals, output_beside
from lambdas.arrival.requests.actions import Named
from lambdas.arrival.requests.faults import Fault, FaultsError
from lambdas.arrival.surroundings import Surroundings

__all__ = ["AT_ONCE", "Reproducer"]

AT_ONCE = 100
"""Runs that one request may name: all their records are read before one run starts."""

_Item = Mapping[str, Any]


class Reproducer:
    """Takes on `reproduce`."""

    def __init__(self, around: Surroundings) -> None:
        self._deployment = around.deployment
        self._originals = Originals(around)

    def runs(self, named: Sequence[Named], items: Mapping[str, _Item], *, mark: str) -> list[Admitted]:
        """The runs that make the named ones again; `items` are their RUN items by id, `mark` is the request's identity.

        Raises:
            FaultsError: with each run that cannot be made again, and why.
        """
        faults: list[Fault] = []
        found: list[tuple[Named, Pins]] = []
        for each in named:
            try:
                pins = self._pins(items[each.run_id])
            except NotReproducibleError as error:
                faults.append(Fault(place=each.place, text=f"{each.run_id} cannot be made again: {error}"))
            else:
                found.append((each, pins))
        gone = self._originals.gone(pins.definition for _, pins in found)
        faults += [
            Fault(
                place=each.place,
                text=f"{each.run_id} cannot be made again: its job definition {pins.definition} is gone, it was "
                "deregistered: use rerun.json for a run of today's program",
            )
            for each, pins in found
            if pins.definition in gone
        ]
        if faults:
            raise FaultsError(*faults)
        return [self._run(items[each.run_id], pins, mark) for each, pins in found]

    def _pins(self, item: _Item) -> Pins:
        pins = self._originals.pins(item)
        # Whose data a job may touch follows from its definition: a record that names another one is not followed.
        own = self._deployment.pipelines[item["pipeline"]].definitions[item["group"]]
        if pins.definition.partition(":")[0] != own:
            raise NotReproducibleError(f"its record names {pins.definition}, runs of its group are made of {own}")
        return pins

    def _run(self, item: _Item, pins: Pins, mark: str) -> Admitted:
        group, pipeline = item["group"], item["pipeline"]
        identity = pins.identity(group=group, pipeline=pipeline, original=item["run_id"], request=mark)
        run = pins.run(run_id=identity, group=group, pipeline=pipeline, output=output_beside(item, identity))
        pools = self._deployment.pipelines[pipeline].pools
        pool = item["pool"] if item["pool"] in pools else pools[0]
        return Admitted(
            run=run._replace(marker=item.get("marker", "")),
            definition=pins.definition,
            pool=pool,
            queue=self._deployment.pools[pool].queue,
            overrides=Overrides.from_item(item),
            name=item.get("name", ""),
            request=mark,
            reproduces=item["run_id"],
        )
