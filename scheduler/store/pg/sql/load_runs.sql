-- The live runs of a domain. The array keeps the plan to one lookup per run, whatever the planner
-- believes about tables that change all the time.
select id, dag_id, version_id, run_key, idempotency_key, logical_date_us, params, note, state,
       intent, reason, quarantined, created_us, started_us, finished_us
  from {schema}.run
 where id = any(array(select run_id from {schema}.live_run where domain_id = $1))
 order by id
