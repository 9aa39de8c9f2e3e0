select v.id, v.namespace_id, n.name, v.dag_name, v.number, v.hash, v.canonical, v.bundle_hash,
       v.task_count, v.created_us
  from {schema}.dag_version v join {schema}.namespace n on n.id = v.namespace_id
 where v.id = $1
