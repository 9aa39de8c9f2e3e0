-- The run of the first of some dispatches ($1: lines as of flush_dispatches_1) that takes its row for
-- new although there is one.
select c[g][1]
  from (select $1::bigint[] as c) given, generate_series(1, array_length(c, 1)) g
 where c[g][3] & 2 = 2
   and exists (select from {schema}.task_instance t
                where t.run_id = c[g][1] and t.task_idx = (c[g][2] >> 32)::int
                  and t.map_idx = (c[g][2] & 4294967295)::int - 1)
 order by g limit 1
