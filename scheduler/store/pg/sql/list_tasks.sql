-- Rows of run $1 after ($2, $3), at most $4; only of a run that still exists.
select t.run_id, t.task_idx, t.map_idx, t.state, t.attempt, t.tries, t.infra_tries, t.session,
       t.started_us, t.finished_us, t.retry_at_us, t.cause, t.exit_code, t.signal, t.peak_rss_kib,
       t.cpu_ms, coalesce(w.name, ''),
       coalesce(nullif(o.error, ''), a.error, '')
  from (select * from {schema}.task_instance
         where run_id = $1 and (task_idx, map_idx) > ($2, $3)
           and exists (select from {schema}.run where id = $1)
         order by task_idx, map_idx limit $4) t
  left join {schema}.worker_session w on w.id = t.session
  left join {schema}.task_output o on o.run_id = t.run_id and o.task_idx = t.task_idx
        and o.map_idx = t.map_idx and o.attempt = t.attempt
  left join {schema}.task_attempt a on a.run_id = t.run_id and a.task_idx = t.task_idx
        and a.map_idx = t.map_idx and a.attempt = t.attempt
 order by t.task_idx, t.map_idx
