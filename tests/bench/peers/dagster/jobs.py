"""A job of a shape, for turn.py and whoever must build it again."""

from dagster import GraphDefinition, In, DependencyDefinition, MultiDependencyDefinition
from dagster import NodeInvocation, Nothing, Out, in_process_executor, op

from shapes import needs


@op(ins={"after": In(Nothing)}, out=Out(Nothing))
def noop():
    pass


def job_of(shape):
    dependencies = {
        NodeInvocation("noop", alias=f"t{i}"): {
            "after": MultiDependencyDefinition([DependencyDefinition(f"t{u}") for u in upstreams])
        }
        if upstreams
        else {}
        for i, upstreams in enumerate(needs(shape))
    }
    graph = GraphDefinition("shape", node_defs=[noop], dependencies=dependencies)
    return graph.to_job(executor_def=in_process_executor)
