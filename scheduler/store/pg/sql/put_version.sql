-- $1 namespace, $2 DAG, $3 hash, $4 canonical form, $5 hash of the bundle, $6 tasks.
select v.id, v.namespace_id, n.name, v.dag_name, v.number, v.hash, v.canonical, v.bundle_hash,
       v.task_count, v.created_us
  from {schema}.put_version_1($1, $2, $3, $4, $5, $6) v
  join {schema}.namespace n on n.id = v.namespace_id
