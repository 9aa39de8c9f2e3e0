-- The first of some new runs that cannot be: its id, key, idempotency key or logical date is taken,
-- or meant twice. $1: arrays of ids, DAGs, keys, idempotency keys, logical dates.
with given as (
  select id, dag_id, run_key, idempotency_key, logical_date_us
    from unnest(($1::text[])[1]::bigint[], ($1::text[])[2]::bigint[], ($1::text[])[3]::text[],
                ($1::text[])[4]::text[], ($1::text[])[5]::bigint[])
           as i(id, dag_id, run_key, idempotency_key, logical_date_us)
), numbered as (
  select *, row_number() over (partition by id order by id) as id_place,
         row_number() over (partition by dag_id, run_key order by id) as key_place,
         row_number() over (partition by dag_id, idempotency_key order by id) as idempotency_place,
         row_number() over (partition by dag_id, logical_date_us order by id) as date_place
    from given)
select n.id from numbered n
 where n.id_place > 1 or n.key_place > 1
    or (n.idempotency_key is not null and n.idempotency_place > 1)
    or (n.logical_date_us is not null and n.date_place > 1)
    or exists (select from {schema}.run r where r.id = n.id)
    or exists (select from {schema}.run r where r.dag_id = n.dag_id and r.run_key = n.run_key)
    or exists (select from {schema}.run r
                where r.dag_id = n.dag_id and r.idempotency_key = n.idempotency_key)
    or exists (select from {schema}.run r
                where r.dag_id = n.dag_id and r.logical_date_us = n.logical_date_us)
 order by n.id limit 1
