"""turn.py SHAPE: flow runs in this process; done when the server has recorded every task run."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from recorded import tell, wait_for_count
from shapes import needs, runs

shape = sys.argv[1]


@task(cache_policy=NO_CACHE)
def noop():
    pass


@flow(task_runner=ThreadPoolTaskRunner(max_workers=16))
def run():
    futures = []
    for i, upstreams in enumerate(needs(shape)):
        named = noop.with_options(task_run_name=f"t{i}")
        futures.append(named.submit(wait_for=[futures[upstream] for upstream in upstreams]))
    wait(futures)
    return flow_run.id


begin, cpu = time.time(), time.process_time()
with ThreadPoolExecutor(8) as pool:
    ids = [str(id) for id in pool.map(lambda _: run(), range(runs(shape)))]
of_these = "flow_run_id in ({})".format(", ".join(f"'{id}'" for id in ids))
completed = f"select count(*) from task_run where state_type = 'COMPLETED' and {of_these}"
wait_for_count(completed, runs(shape) * len(needs(shape)))
tell(
    shape,
    time.time() - begin,
    time.process_time() - cpu,
    "select extract(epoch from start_time), extract(epoch from end_time) from task_run"
    f" where {of_these} order by substr(name, 2)::int",
)
