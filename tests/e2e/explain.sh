#!/bin/bash
# `penstock task explain` gives the one reason why a task is where it is.
. "$(dirname "$0")/lib.sh"
cluster --slots 8

penstock pool set narrow 1 >/dev/null
penstock pool set shrinking 2 >/dev/null
penstock pool set doomed 1 >/dev/null
apply <<'DAG'
dag: many
tasks:
  slow: {sh: sleep 600}
  after: {needs: slow, sh: "true"}
  first: {pool: narrow, priority: 5, sh: sleep 600}
  second: {pool: narrow, sh: "true"}
  nobody: {queue: moon, sh: "true"}
  gpu: {labels: {gpu: "yes"}, sh: "true"}
  huge: {resources: {custom: {tape: 2}}, sh: "true"}
  flaky: {retries: {max: 2, delay: 1h}, sh: exit 7}
  good: {sh: "true"}
  bad: {sh: exit 3}
  child_of_bad: {needs: bad, sh: "true"}
  grandchild: {needs: child_of_bad, sh: "true"}
  skipper: {sh: exit 99}
  child_of_skipper: {needs: skipper, sh: "true"}
  when_all_failed: {needs: good, trigger_rule: all_failed, sh: "true"}
  late: {timeout: 1s, sh: sleep 600}
  shot: {sh: kill -9 $$}
  scribbler: {sh: echo oops > "$PENSTOCK_OUTPUT"}
  wrong: {needs: good, sh: 'echo ${{ tasks.good.output.missing }}'}
  nothing: {noop: }
DAG
trigger many
explains many slow running 'worker worker-1'
explains many after waiting_upstream 'slow \(running\)'
reaches many first running
explains many second blocked_pool 'pool narrow: 1 of 1'
explains many nobody no_worker 'queue moon'
explains many gpu no_matching_worker 'labels'
explains many huge no_matching_worker 'resources'
explains many flaky retry_at 'exit code 7'
explains many good success 'attempt 1 \(worker worker-1\)'
explains many bad failed 'exit code 3'
explains many child_of_bad upstream_failed 'bad \(failed\)'
explains many grandchild upstream_failed 'child_of_bad \(upstream_failed\)'
explains many skipper skipped 'exit code 99'
explains many child_of_skipper skipped 'skipper \(skipped\)'
explains many when_all_failed skipped 'all_failed.*good \(success\)'
explains many late failed 'timeout'
explains many shot failed 'signal 9'
explains many scribbler failed 'output.*line 1'
explains many wrong failed 'missing'
explains many nothing success 'without a worker'

# What a pool's change does to what waits.
sed "s#GATE_FILE#$OUT/open#" <<'DAG' | apply
dag: pools
tasks:
  gate: {env: {GATE: GATE_FILE}, sh: 'while [ ! -e "$GATE" ]; do sleep 0.1; done'}
  wide: {needs: gate, pool: {name: shrinking, slots: 2}, sh: "true"}
  homeless: {needs: gate, pool: doomed, sh: "true"}
DAG
trigger pools
reaches pools gate running
penstock pool set shrinking 1 >/dev/null
penstock pool delete doomed >/dev/null
touch "$OUT/open"
explains pools wide pool_too_small 'asks for 2 slots of pool shrinking, which has 1'
explains pools homeless pool_missing 'pool doomed does not exist'

# What holds a whole run.
apply <<'DAG'
dag: one_by_one
max_active_runs: 1
max_active_tasks: 1
tasks:
  stays: {priority: 9, sh: sleep 600}
  other: {sh: "true"}
DAG
trigger one_by_one --key first
reaches one_by_one/first stays running
explains one_by_one/first other max_active_tasks '1 of at most 1'
trigger one_by_one --key second
explains one_by_one/second other run_queued '1 of 1 active runs'
penstock dag pause one_by_one >/dev/null
explains one_by_one/second other dag_paused 'dag resume one_by_one'
explains one_by_one/first other dag_paused 'paused'
explains one_by_one/first stays running 'worker-1'
penstock run cancel one_by_one/first >/dev/null
explains one_by_one/first stays cancelled 'cancelled by a user'
explains one_by_one/first other cancelled 'run'

# All slots taken: many still has two of them.
{ sleepers crowd 600; echo '  last: {priority: 0, sh: "true"}'; } | apply
trigger crowd
reaches crowd f running
explains crowd last workers_busy 'worker'

# A task that will not go when it is told to.
apply <<'DAG'
dag: deaf
tasks:
  deaf: {sh: 'trap "" TERM; while :; do sleep 1; done'}
  next: {needs: deaf, sh: "true"}
DAG
penstock run cancel crowd >/dev/null
trigger deaf
reaches deaf deaf running
penstock run cancel deaf >/dev/null
explains deaf deaf ending 'worker-1'
penstock worker drain worker-1 >/dev/null
trigger crowd
explains crowd last no_worker 'queue default'
expect "an unknown task" 4 'did you mean "last"' penstock task explain crowd lats
expect "an unknown run" 4 '.' penstock task explain crowd/none last
