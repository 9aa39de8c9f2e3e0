-- $1 namespace, $2 prefix, $3 strictly after this name, $4 at most.
select d.id, d.namespace_id, d.name, d.paused, d.version_id, d.max_active_runs,
       coalesce(v.description, ''), coalesce(v.number, 0), coalesce(v.hash, ''),
       coalesce(v.task_count, 0), d.created_us, d.updated_us
  from {schema}.dag d left join {schema}.dag_version v on v.id = d.version_id
 where d.namespace_id = $1 and not d.deleted and d.name collate "C" > $3
   and d.name collate "C" >= $2 and starts_with(d.name, $2)
 order by d.name collate "C" limit $4
