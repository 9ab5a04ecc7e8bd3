"""The SSM parameter from which the command finds a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from constructs import Construct

from constructs_lib.ledger import Ledger
from constructs_lib.log_group import LogGroup
from constructs_lib.policy import Statement
from constructs_lib.pool import Pool
from constructs_lib.queue import Queue
from constructs_lib.reachable import Reachable
from constructs_lib.rights import Grantee
from constructs_lib.site import Site
from constructs_lib.topic import Topic
from dropbatch.contract.parameter import DeploymentParameter, parameter_name
from dropbatch.settings import Settings
from dropbatch.settings.parameter import described

__all__ = ["Pointers", "PointersProps"]


@dataclass(frozen=True, kw_only=True)
class PointersProps:
    """Values that the command needs."""

    site: Site
    inputs: Reachable
    outputs: Reachable
    ledger: Ledger
    job_logs: LogGroup
    arrivals: Queue
    operators: Topic
    settings: Settings
    pools: Mapping[str, Pool]


class Pointers(Construct):
    """The parameter ``/dropbatch/<environment>``; its form is `DeploymentParameter`."""

    def __init__(self, scope: Construct, id_: str, props: PointersProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        parameter = SsmParameter(
            self,
            "Parameter",
            name=parameter_name(site.environment),
            description="Where the parts of this deployment are, for the dropbatch command",
            type="String",
            value=DeploymentParameter(
                environment=site.environment,
                region=site.region,
                input_bucket=props.inputs.name,
                output_bucket=props.outputs.name,
                ledger_table=props.ledger.name,
                log_group=props.job_logs.name,
                arrival_queue_url=props.arrivals.url,
                operators_topic_arn=props.operators.arn,
                pools={name: pool.queue_name for name, pool in props.pools.items()},
                **described(props.settings),
            ).to_json(),
        )
        self.name: str = parameter.name
        self.arn: str = parameter.arn

    def grant_read(self, reader: Grantee) -> None:
        """Grant the right to read the parameter."""
        reader.grant(Statement(sid="FindDeployment", actions=["ssm:GetParameter"], resources=[self.arn]))
