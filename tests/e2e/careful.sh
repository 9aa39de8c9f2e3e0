#!/bin/bash
# A run at which schedulers end is set aside, says why, and goes on when a user says so.
. "$(dirname "$0")/lib.sh"
cluster --slots 4

sql() { PATH=$PATH:$(pg_config --bindir 2>/dev/null) psql -XqAt -d "$(cat "$work/data/run/dsn")" -c "$1"; }

apply <<'DAG'
dag: guilty
tasks:
  slow: {sh: sleep 600}
  next: {needs: slow, sh: "true"}
DAG
trigger guilty
reaches guilty slow running
# As an owner leaves it behind that was about to decide something about the run, for the second time.
sql "update penstock.domain d set loads_without_progress = 2, suspect = format(E'run %s\\nrun %1\$s', r.id)
       from penstock.run r where r.state = 1" >"$work/sql.txt" 2>&1 || fail "$(cat "$work/sql.txt")"
kill -9 "$(process scheduler-1)"
explains guilty next run_quarantined 'two schedulers ended while they worked on this run'
expect "the run says so, too" 0 'two schedulers ended while they worked on this run' penstock run show guilty
healthy
penstock run retry guilty >/dev/null
explains guilty next waiting_upstream 'slow \((leased|running)\)'
penstock run cancel guilty >/dev/null
explains guilty slow cancelled 'cancelled by a user'
