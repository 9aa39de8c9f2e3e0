-- Deletes fence rows far behind the newest, at most 50000 a call; returns how many. Rows of loads
-- stay for a week: one of them is what a flush given up long ago would collide with.
with old as (
  select f.domain_id, f.flush_seq
    from {schema}.domain d
   cross join lateral (
     select max(n.flush_seq) as newest from {schema}.domain_flush n where n.domain_id = d.id) m
   cross join lateral (
     select o.domain_id, o.flush_seq from {schema}.domain_flush o
      where o.domain_id = d.id and o.flush_seq < m.newest - 1000
        and (o.loaded_at is null or o.loaded_at < now() - interval '7 days')
      order by o.flush_seq limit 50000) f
   limit 50000)
delete from {schema}.domain_flush f using old
 where f.domain_id = old.domain_id and f.flush_seq = old.flush_seq
