select d.id, d.namespace_id, d.name, d.paused, d.version_id, d.max_active_runs
  from {schema}.dag d join {schema}.namespace n on n.id = d.namespace_id
 where n.domain_id = $1 and not d.deleted order by d.id
