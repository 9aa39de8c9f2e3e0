-- Raises PS001 for the first of the given rows that this transaction did not write; of starts, which
-- may find their attempt ended, the first that there is no row for.
create or replace function {schema}.stale_1(p_what text, c bigint[]) returns void language plpgsql as $$
declare
  bad record;
begin
  select i.*, t.* into bad
    from (select c[g][1] as run_id, (c[g][2] >> 32)::int as task_idx,
                 (c[g][2] & 4294967295)::int - 1 as map_idx, (c[g][3] >> 8)::int as attempt,
                 g as place
            from generate_series(1, array_length(c, 1)) g) i
    left join lateral (
      select t.attempt as attempt_now, t.state,
             t.xmin = pg_current_xact_id()::xid as written
        from {schema}.task_instance t
       where t.run_id = i.run_id and t.task_idx = i.task_idx and t.map_idx = i.map_idx
      offset 0) t on true
   where case p_what when 'start' then t.attempt_now is null or t.attempt_now < 0
                     else t.written is not true or t.attempt_now <> i.attempt end
   order by i.place limit 1;
  raise exception 'stale %: run % task % map % attempt %: the row %', p_what, bad.run_id,
    bad.task_idx, bad.map_idx, bad.attempt,
    case when bad.attempt_now is null or bad.attempt_now < 0 then 'does not exist'
         else format('is at attempt %s, state %s', bad.attempt_now, bad.state) end
    using errcode = 'PS001';
end $$;
