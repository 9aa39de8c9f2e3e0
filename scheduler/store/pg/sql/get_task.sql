select t.run_id, t.task_idx, t.map_idx, t.state, t.attempt, t.tries, t.infra_tries, t.session,
       t.started_us, t.finished_us, t.retry_at_us, t.cause, t.exit_code, t.signal, t.peak_rss_kib,
       t.cpu_ms, coalesce(w.name, ''),
       coalesce(nullif(o.error, ''), a.error, '')
  from {schema}.task_instance t
  left join {schema}.worker_session w on w.id = t.session
  left join {schema}.task_output o on o.run_id = t.run_id and o.task_idx = t.task_idx
        and o.map_idx = t.map_idx and o.attempt = t.attempt
  left join {schema}.task_attempt a on a.run_id = t.run_id and a.task_idx = t.task_idx
        and a.map_idx = t.map_idx and a.attempt = t.attempt
 where t.run_id = $1 and t.task_idx = $2 and t.map_idx = $3
   and exists (select from {schema}.run where id = $1)
