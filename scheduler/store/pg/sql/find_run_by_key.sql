-- Also of DAGs that were deleted since; the newest DAG of that name wins.
select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0)
  from {schema}.dag d join {schema}.run r on r.dag_id = d.id and r.run_key = $3
  left join {schema}.dag_version v on v.id = r.version_id
 where d.namespace_id = $1 and d.name = $2 order by d.deleted, d.id desc limit 1
