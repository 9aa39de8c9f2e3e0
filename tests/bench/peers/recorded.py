"""What an engine has written about its tasks, and the line that a turn prints of it."""

import json
import subprocess
import time

from shapes import needs, runs


def rows(sql):
    """The answer as lists of strings; connects as the environment says."""
    command = ["psql", "-qAtX", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in said.splitlines()]


def wait_for_count(sql, count, seconds=600):
    """Until the statement counts so many."""
    until = time.monotonic() + seconds
    while int(rows(sql)[0][0]) < count:
        if time.monotonic() > until:
            raise TimeoutError(sql)
        time.sleep(0.05)


def tell(shape, seconds, cpu_seconds, times_sql):
    """Prints the turn. `cpu_seconds`: of this process, as far as it is the engine.
    `times_sql`: start and end of each task of the only run, by index."""
    result = {"tasks": runs(shape) * len(needs(shape)), "seconds": seconds}
    result["cpu_seconds"] = cpu_seconds
    if runs(shape) == 1:
        times = [[float(start), float(end)] for start, end in rows(times_sql)]
        assert len(times) == result["tasks"], "a task has no record"
        result["times"] = times
    print(json.dumps(result))
