-- A run of DAG $1 with idempotency key $2, else with run key $3, else with logical date $4; null =
-- not asked.
select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0)
  from (select *, 1 as place from {schema}.run where dag_id = $1 and idempotency_key = $2
        union all
        select *, 2 from {schema}.run where dag_id = $1 and run_key = $3
        union all
        select *, 3 from {schema}.run where dag_id = $1 and logical_date_us = $4) r
  join {schema}.dag d on d.id = r.dag_id
  left join {schema}.dag_version v on v.id = r.version_id
 order by r.place limit 1
