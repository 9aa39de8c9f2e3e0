"""A DAG for each shape that peer.sh names."""

import os

from airflow.sdk import DAG, task

from shapes import needs


def make(shape):
    with DAG(
        dag_id=shape.replace(":", "-"),
        schedule=None,
        max_active_runs=1000,
        max_active_tasks=1000,
        is_paused_upon_creation=False,
    ) as dag:

        @task
        def noop():
            pass

        tasks = [noop.override(task_id=f"t{i}")() for i in range(len(needs(shape)))]
        for i, upstreams in enumerate(needs(shape)):
            for upstream in upstreams:
                tasks[upstream] >> tasks[i]
    return dag


for each in os.environ["PEER_SHAPES"].split():
    globals()[each] = make(each)
