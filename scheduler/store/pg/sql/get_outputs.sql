-- The output of each instance's latest successful attempt, in the order asked.
select coalesce(o.output, '')
  from unnest($1::bigint[], $2::int[], $3::int[]) with ordinality as i(run_id, task_idx, map_idx, place)
  left join lateral (
    select o.output from {schema}.task_output o
      join {schema}.task_instance t on t.run_id = o.run_id and t.task_idx = o.task_idx
           and t.map_idx = o.map_idx
     where o.run_id = i.run_id and o.task_idx = i.task_idx and o.map_idx = i.map_idx
       and case when t.state = 4 then o.attempt = t.attempt else o.output <> '' end
     order by o.attempt desc limit 1) o on true
 order by i.place
