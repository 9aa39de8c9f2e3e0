#!/bin/bash
# What a user does on the first day, each with its visible result.
. "$(dirname "$0")/lib.sh"
cluster --slots 20 --workers 2

# The DAG that `dag init` writes, its parameters, outputs and logs.
cd "$work" || exit 1
expect "dag init" 0 hello.yaml penstock dag init hello
expect "dag lint" 0 'hello is fine' penstock dag lint hello.yaml
expect "apply" 0 'hello new: version 1' penstock apply hello.yaml
expect "apply again" 0 'hello unchanged' penstock apply hello.yaml
expect "trigger" 0 success penstock trigger hello --key r1 --watch -p text="to be or not to be"
expect "a key once" 4 'already has a run' penstock trigger hello --key r1
expect "the output" 0 '"words": ?6' penstock task show hello/r1 split
expect "the log of a downstream task" 0 '^The text has 6 words' penstock task logs hello/r1 report
expect "an attempt counts as one" 0 '^report +success +1 ' penstock task list hello/r1

# Every trigger rule over a success, a failure and a skip.
apply <<'DAG'
dag: rules
tasks:
  good: {sh: "true"}
  bad: {sh: "false"}
  skip: {sh: exit 99}
  all_success: {needs: [good, bad], sh: "true"}
  all_failed: {needs: [good, bad, skip], trigger_rule: all_failed, sh: "true"}
  all_failed_2: {needs: bad, trigger_rule: all_failed, sh: "true"}
  all_done: {needs: [good, bad, skip], trigger_rule: all_done, sh: "true"}
  min_one: {needs: [good, bad], trigger_rule: all_done_min_one_success, sh: "true"}
  all_skipped: {needs: skip, trigger_rule: all_skipped, sh: "true"}
  one_success: {needs: [good, bad, skip], trigger_rule: one_success, sh: "true"}
  one_failed: {needs: [good, bad, skip], trigger_rule: one_failed, sh: "true"}
  one_done: {needs: skip, trigger_rule: one_done, sh: "true"}
  none_failed: {needs: [good, skip], trigger_rule: none_failed, sh: "true"}
  none_failed_2: {needs: [good, bad], trigger_rule: none_failed, sh: "true"}
  none_failed_min: {needs: skip, trigger_rule: none_failed_min_one_success, sh: "true"}
  none_skipped: {needs: [good, skip], trigger_rule: none_skipped, sh: "true"}
  always: {needs: bad, trigger_rule: always, sh: "true"}
DAG
expect "a failed leaf fails the run" 1 failed penstock trigger rules --watch
same "trigger rules" "$(printf '%s\n' all_done=success all_failed=skipped all_failed_2=success \
  all_skipped=success all_success=upstream_failed always=success bad=failed good=success \
  min_one=success none_failed=success none_failed_2=upstream_failed none_failed_min=skipped \
  none_skipped=skipped one_done=skipped one_failed=success one_success=success skip=skipped)" \
  "$(penstock task list rules | awk 'NR > 1 { print $1 "=" $2 }' | LC_ALL=C sort)"

# Retries, on the user's budget; a retry of the whole run when the cause is gone.
{
  echo "dag: again"
  echo "tasks:"
  echo "  third: {retries: {max: 5, delay: 100ms}, sh: 'test \$PENSTOCK_ATTEMPT = 3'}"
  echo "  gate: {needs: third, sh: 'test -e $OUT/gate'}"
  echo "  last: {needs: gate, sh: 'true'}"
} | apply
expect "a gate that is shut" 1 failed penstock trigger again --watch
expect "three attempts" 0 '^third +success +3 ' penstock task list again
expect "upstream_failed" 0 '^last +upstream_failed +0$' penstock task list again
expect "earlier attempts" 0 '1 +failed .*exit code 1' penstock task show again third
touch "$OUT/gate"
expect "run retry" 0 success penstock run retry again --watch
expect "what succeeded is not repeated" 0 '^third +success +3 ' penstock task list again
expect "what failed is" 0 '^gate +success +2 ' penstock task list again

# Nothing of a process tree outlives its attempt, whatever it did to get away.
mark=7$$.5
apply <<DAG
dag: trees
tasks:
  late:
    timeout: 1s
    sh: |
      setsid sleep $mark &
      ( ( setsid sh -c 'trap "" TERM HUP; sleep $mark; sleep $mark' & ) & )
      nohup sleep $mark &
      sleep $mark
  left_behind:
    sh: |
      ( setsid sleep $mark </dev/null >/dev/null 2>&1 & )
      echo done
DAG
expect "a timeout fails the run" 1 failed penstock trigger trees --watch
expect "it says timeout" 0 '^late +failed .*timeout' penstock task list trees
expect "a task ends with its main process" 0 '^left_behind +success' penstock task list trees
gone() { ! pgrep -f "sleep $mark" >"$work/left"; }
eventually 5 gone && pass || fail "left of the process trees: $(cat "$work/left")"

# Cancel stops what runs, keeps what is done, and starts nothing more.
apply <<DAG
dag: stopped
tasks:
  quick: {sh: "true"}
  long: {needs: quick, sh: 'setsid sleep $mark & sleep $mark'}
  never: {needs: long, sh: "true"}
DAG
trigger stopped
reaches stopped long running
expect "cancel" 0 . penstock run cancel stopped
expect "its watcher is told" 1 cancelled penstock run watch stopped
same "states after a cancel" "long=cancelled never=cancelled quick=success" \
  "$(penstock task list stopped | awk 'NR > 1 { print $1 "=" $2 }' | LC_ALL=C sort | xargs)"
eventually 7 gone && pass || fail "left after a cancel: $(cat "$work/left")"

# Following a log shows lines before the task has ended, and ends with it.
apply <<'DAG'
dag: talker
tasks:
  talk: {sh: 'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done; echo oops >&2'}
DAG
trigger talker
: >"$work/followed"
penstock task logs talker talk -f >"$work/followed" 2>/dev/null &
follower=$!
eventually 5 grep -q 'line 1' "$work/followed" && pass || fail "logs -f shows nothing"
same "lines come while it runs" no "$(grep -q oops "$work/followed" && echo yes || echo no)"
wait "$follower"
same "logs -f ends well" 0 "$?"
same "the whole log" "line 1 line 2 line 3 line 4 line 5 line 6 oops" "$(xargs <"$work/followed")"

# A worker that drains finishes what it has and takes nothing new.
sleepers both 4 | apply
on_first() { penstock task list "$1" | grep -c worker-1; }
trigger both
for task in a b c d e f; do reaches both $task running; done  # what has not started is given back
before=$(on_first both)
if [ "$before" -gt 0 ]; then pass; else fail "worker-1 has nothing to do: $(penstock task list both)"; fi
expect "drain" 0 'told to drain' penstock worker drain worker-1
expect "it is seen" 0 '^worker-1 .*draining' penstock worker list
expect "running tasks finish" 0 success penstock run watch both
same "where they were" "$before" "$(on_first both)"
expect "the other takes the next run" 0 success penstock trigger hello --key r2 --watch
same "nothing on the one that drains" 0 "$(on_first hello/r2)"

# Exit codes, and the output for programs.
expect "0" 0 . penstock run list
expect "1: the run failed" 1 . penstock run watch rules
expect "2: the command line" 2 'frobnicate' penstock run frobnicate
expect "2: a file that is not there" 2 'none.yaml' penstock apply none.yaml
expect "3: nobody there" 3 '127.0.0.1:1' penstock --address 127.0.0.1:1 --retry-for 1s run list
expect "4: a refusal" 4 'nosuch' penstock trigger nosuch
if command -v jq >/dev/null; then parse=(jq .); else parse=(python3 -m json.tool); fi
for command in "dag list" "dag show hello" "run list" "run show rules" "task list rules" \
  "task show rules bad" "task explain rules bad" "pool list" "queue list" "worker list" \
  "namespace list" "dag schema" "dag lint hello.yaml"; do
  # shellcheck disable=SC2086  # several words
  if penstock $command -o json | "${parse[@]}" >/dev/null 2>"$work/json"; then pass; else
    fail "$command -o json: $(cat "$work/json")"
  fi
done
