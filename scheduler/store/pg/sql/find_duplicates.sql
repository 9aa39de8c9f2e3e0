-- For each line of DAG $1, idempotency key $2, run key $3 and logical date $4 ('' and 0 = not asked)
-- the run that has the first of these, else the second, else the third; with the line's number.
select r.id, r.dag_id, r.version_id, r.run_key, r.idempotency_key, r.logical_date_us,
       r.params, r.note, r.state, r.intent, r.reason, r.quarantined, r.created_us,
       r.started_us, r.finished_us,
       d.name, d.namespace_id, coalesce(v.number, 0), q.place
  from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) with ordinality
         as q(dag_id, idempotency_key, run_key, logical_date_us, place)
 cross join lateral (
   select x.*
     from (select *, 1 as rank from {schema}.run
            where dag_id = q.dag_id and idempotency_key = nullif(q.idempotency_key, '')
           union all
           select *, 2 from {schema}.run
            where dag_id = q.dag_id and run_key = nullif(q.run_key, '')
           union all
           select *, 3 from {schema}.run
            where dag_id = q.dag_id and logical_date_us = nullif(q.logical_date_us, 0)) x
    order by x.rank limit 1) r
 cross join lateral (select * from {schema}.dag where id = r.dag_id offset 0) d
  left join lateral (
    select number from {schema}.dag_version where id = r.version_id offset 0) v on true
