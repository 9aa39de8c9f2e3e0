-- The recorded attempts and, unless it is among them, the latest one.
select t.run_id, t.task_idx, t.map_idx, t.state, t.attempt, t.tries, t.infra_tries, t.session,
       t.started_us, t.finished_us, t.retry_at_us, t.cause, t.exit_code, t.signal, t.peak_rss_kib,
       t.cpu_ms, coalesce(w.name, ''), coalesce(nullif(o.error, ''), t.error), t.charged
  from (select run_id, task_idx, map_idx, state, attempt, tries, infra_tries, session, started_us,
               finished_us, retry_at_us, cause, exit_code, signal, peak_rss_kib, cpu_ms, charged,
               error
          from {schema}.task_attempt where run_id = $1 and task_idx = $2 and map_idx = $3
        union all
        select run_id, task_idx, map_idx, state, attempt, tries, infra_tries, session, started_us,
               finished_us, retry_at_us, cause, exit_code, signal, peak_rss_kib, cpu_ms, false, ''
          from {schema}.task_instance i
         where run_id = $1 and task_idx = $2 and map_idx = $3 and attempt > 0
           and not exists (
             select from {schema}.task_attempt a
              where a.run_id = i.run_id and a.task_idx = i.task_idx and a.map_idx = i.map_idx
                and a.attempt = i.attempt)) t
  left join {schema}.worker_session w on w.id = t.session
  left join lateral (
    select error from {schema}.task_output e
     where e.run_id = t.run_id and e.task_idx = t.task_idx and e.map_idx = t.map_idx
       and e.attempt = t.attempt limit 1) o on true
 where exists (select from {schema}.run where id = $1)
 order by t.attempt
