"""Where programs find a deployment: one SSM parameter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.ledger import Ledger
from constructs_lib.log_group import LogGroup
from constructs_lib.policy import Statement
from constructs_lib.pool import Pool
from constructs_lib.queue import Queue
from constructs_lib.reachable import Reachable
from constructs_lib.rights import Grantee
from constructs_lib.site import Site
from constructs_lib.topic import Topic
from dropbatch.settings import PipelineSettings

__all__ = ["Pointers", "PointersProps"]

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PointersProps:
    """What programs on a person's machine work with."""

    site: Site
    inputs: Reachable
    outputs: Reachable
    ledger: Ledger
    job_logs: LogGroup
    arrivals: Queue
    operators: Topic
    groups: Sequence[str]
    pipelines: Mapping[str, PipelineSettings]
    pools: Mapping[str, Pool]
    prices: Mapping[str, tuple[float, float]]
    """USD per vCPU-hour and per GiB-hour of each pool that has prices; from them the command foretells costs."""


class Pointers(Construct):
    """The parameter ``/dropbatch/<environment>``, in JSON; `dropbatch` reads it."""

    def __init__(self, scope: Construct, id_: str, props: PointersProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        parameter = SsmParameter(
            self,
            "Parameter",
            name=f"/dropbatch/{site.environment}",
            description="Where the parts of this deployment are, for the dropbatch command",
            type="String",
            value=json_text(
                {
                    "version": _VERSION,
                    "environment": site.environment,
                    "region": site.region,
                    "input_bucket": props.inputs.name,
                    "output_bucket": props.outputs.name,
                    "ledger_table": props.ledger.name,
                    "log_group": props.job_logs.name,
                    "arrival_queue_url": props.arrivals.url,
                    "operators_topic_arn": props.operators.arn,
                    "groups": sorted(props.groups),
                    "pipelines": sorted(props.pipelines),
                    # What the worst case of a request follows from: job definitions are not everybody's to see.
                    "needs": {
                        name: [pipeline.vcpus, pipeline.memory_mib, pipeline.timeout_minutes, pipeline.tries]
                        for name, pipeline in sorted(props.pipelines.items())
                    },
                    "folders": {
                        name: pipeline.closing_marker
                        for name, pipeline in sorted(props.pipelines.items())
                        if pipeline.trigger == "folder"
                    },
                    "pools": {name: pool.queue_name for name, pool in sorted(props.pools.items())},
                    "prices": {name: list(prices) for name, prices in sorted(props.prices.items())},
                }
            ),
        )
        self.name: str = parameter.name
        self.arn: str = parameter.arn

    def grant_read(self, reader: Grantee) -> None:
        """Let somebody find the deployment."""
        reader.grant(Statement(sid="FindDeployment", actions=["ssm:GetParameter"], resources=[self.arn]))
