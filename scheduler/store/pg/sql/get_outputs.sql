-- The output of each instance's latest successful attempt, in the order asked.
select coalesce(o.output, '')
  from unnest($1::bigint[], $2::int[], $3::int[]) with ordinality
         as i(run_id, task_idx, map_idx, place)
  left join lateral (
    select state, attempt from {schema}.task_instance
     where run_id = i.run_id and task_idx = i.task_idx and map_idx = i.map_idx limit 1) t on true
  left join lateral (
    select output from {schema}.task_output
     where run_id = i.run_id and task_idx = i.task_idx and map_idx = i.map_idx
       and case when t.state = 4 then attempt = t.attempt else output <> '' end
     order by attempt desc limit 1) o on true
 order by i.place
