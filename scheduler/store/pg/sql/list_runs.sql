-- Runs of namespace $1, newest first: of DAG $2 only when it is given, in the states $3 only when
-- given, with ids below $4, at most $5. Walks one index per DAG.
select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0)
  from {schema}.dag d
 cross join lateral (
   select * from {schema}.run
    where dag_id = d.id and id < $4 and ($3::smallint[] is null or state = any($3::smallint[]))
    order by id desc limit $5) r
  left join {schema}.dag_version v on v.id = r.version_id
 where d.namespace_id = $1 and ($2::text is null or d.name = $2)
 order by r.id desc limit $5
