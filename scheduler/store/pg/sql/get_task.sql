select t.run_id, t.task_idx, t.map_idx, t.state, t.attempt, t.tries, t.infra_tries, t.session,
       t.started_us, t.finished_us, t.retry_at_us, t.cause, t.exit_code, t.signal, t.peak_rss_kib,
       t.cpu_ms, coalesce(w.name, ''),
       coalesce(nullif(o.error, ''), a.error, '')
  from {schema}.task_instance t
  left join {schema}.worker_session w on w.id = t.session
  left join lateral (
    select error from {schema}.task_output e
     where e.run_id = t.run_id and e.task_idx = t.task_idx and e.map_idx = t.map_idx
       and e.attempt = t.attempt limit 1) o on true
  left join lateral (
    select error from {schema}.task_attempt e
     where e.run_id = t.run_id and e.task_idx = t.task_idx and e.map_idx = t.map_idx
       and e.attempt = t.attempt limit 1) a on true
 where t.run_id = $1 and t.task_idx = $2 and t.map_idx = $3
   and exists (select from {schema}.run where id = $1)
