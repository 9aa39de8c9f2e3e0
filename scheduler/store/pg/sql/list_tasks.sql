-- Rows of run $1 after ($2, $3), at most $4; only of a run that still exists. The joins are lateral
-- with a limit so that they stay lookups by key, whatever the tables' sizes were at planning.
select t.run_id, t.task_idx, t.map_idx, t.state, t.attempt, t.tries, t.infra_tries, t.session,
       t.started_us, t.finished_us, t.retry_at_us, t.cause, t.exit_code, t.signal, t.peak_rss_kib,
       t.cpu_ms, coalesce(w.name, ''),
       coalesce(nullif(o.error, ''), a.error, '')
  from (select * from {schema}.task_instance
         where run_id = $1 and (task_idx, map_idx) > ($2, $3)
           and exists (select from {schema}.run where id = $1)
         order by task_idx, map_idx limit $4) t
  left join {schema}.worker_session w on w.id = t.session
  left join lateral (
    select error from {schema}.task_output e
     where e.run_id = t.run_id and e.task_idx = t.task_idx and e.map_idx = t.map_idx
       and e.attempt = t.attempt limit 1) o on true
  left join lateral (
    select error from {schema}.task_attempt e
     where e.run_id = t.run_id and e.task_idx = t.task_idx and e.map_idx = t.map_idx
       and e.attempt = t.attempt limit 1) a on true
 order by t.task_idx, t.map_idx
