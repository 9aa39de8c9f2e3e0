"""turn.py PORT SHAPE: triggers the shape's DAG through the API and waits for the runs."""

import json
import sys
import time
import urllib.request

from recorded import rows, tell, wait_for_count
from shapes import runs

port, shape = sys.argv[1:]
dag = shape.replace(":", "-")


def call(path, token=None, body=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


token = call("/auth/token")["access_token"]
begin = time.time()
ids = [
    call(f"/api/v2/dags/{dag}/dagRuns", token, {"logical_date": None})["dag_run_id"]
    for _ in range(runs(shape))
]
of_these = "dag_id = '{}' and run_id in ({})".format(dag, ", ".join(f"'{id}'" for id in ids))
wait_for_count(f"select count(end_date) from dag_run where {of_these}", len(ids))
[[good, end]] = rows(
    "select bool_and(state = 'success'), extract(epoch from max(end_date))"
    f" from dag_run where {of_these}"
)
assert good == "t", "a run failed"
tell(
    shape,
    float(end) - begin,
    0,
    "select extract(epoch from start_date), extract(epoch from end_date) from task_instance"
    f" where {of_these} order by substr(task_id, 2)::int",
)
