-- All task rows of the runs $1 (ascending), by key, one array per column: reading them row by row
-- would cost five times as much. "offset 0" keeps one index lookup per run.
select array_agg(t.run_id), array_agg(t.task_idx), array_agg(t.map_idx), array_agg(t.state),
       array_agg(t.attempt), array_agg(t.tries), array_agg(t.infra_tries), array_agg(t.session),
       array_agg(t.started_us), array_agg(t.finished_us), array_agg(t.retry_at_us),
       array_agg(t.cause), array_agg(t.exit_code), array_agg(t.signal),
       array_agg(t.peak_rss_kib), array_agg(t.cpu_ms)
  from unnest($1::bigint[]) as r(id)
 cross join lateral (
   select * from {schema}.task_instance i where i.run_id = r.id
    order by i.task_idx, i.map_idx offset 0) t
