"""turn.py SHAPE: runs of a job in this process, every step recorded in PostgreSQL."""

import sys
import time

from dagster import DagsterInstance

from jobs import job_of
from recorded import tell
from shapes import runs

shape = sys.argv[1]
job = job_of(shape)
with DagsterInstance.get() as instance:
    begin, cpu = time.time(), time.process_time()
    for _ in range(runs(shape)):
        result = job.execute_in_process(instance=instance)
        assert result.success, "a run failed"
    seconds, cpu = time.time() - begin, time.process_time() - cpu
tell(
    shape,
    seconds,
    cpu,
    "select extract(epoch from min(timestamp)), extract(epoch from max(timestamp))"
    f" from event_logs where run_id = '{result.run_id}'"
    " and dagster_event_type in ('STEP_START', 'STEP_SUCCESS')"
    " group by step_key order by substr(step_key, 2)::int",
)
