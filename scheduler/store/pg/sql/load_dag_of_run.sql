select d.id, d.namespace_id, d.name, d.paused, d.version_id, d.max_active_runs
  from {schema}.dag d where d.id = $1
