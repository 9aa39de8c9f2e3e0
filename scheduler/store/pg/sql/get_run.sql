select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0)
  from {schema}.run r join {schema}.dag d on d.id = r.dag_id
  left join {schema}.dag_version v on v.id = r.version_id
 where r.id = $1
