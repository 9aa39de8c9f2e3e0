-- As list_runs.sql, for states $3 of live runs: walks these only, however long the history is.
select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0)
  from {schema}.namespace n
 cross join lateral (
   select run_id from {schema}.live_run where domain_id = n.domain_id and run_id < $4
    order by run_id desc offset 0) l
 cross join lateral (select * from {schema}.run where id = l.run_id offset 0) r
 cross join lateral (select * from {schema}.dag where id = r.dag_id offset 0) d
  left join lateral (
    select number from {schema}.dag_version where id = r.version_id offset 0) v on true
 where n.id = $1 and d.namespace_id = $1 and ($2::text is null or d.name = $2)
   and r.state = any($3::smallint[])
 order by l.run_id desc limit $5
