select id, dag_id, version_id, run_key, idempotency_key, logical_date_us, params, note, state,
       intent, reason, quarantined, created_us, started_us, finished_us
  from {schema}.run where domain_id = $1 and id = $2
