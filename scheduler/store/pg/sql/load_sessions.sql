-- The sessions $2 (ascending) as far as they are known, and when they last said hello to domain $1.
select s.id, w.name, w.worker_group, w.queues, w.label_names, w.label_values, w.cpu_millis,
       w.memory_bytes, w.custom_names, w.custom_amounts, w.slots, w.started_us, w.version,
       coalesce(h.hello_epoch, 0)
  from unnest($2::bigint[]) with ordinality as s(id, place)
  left join {schema}.worker_session w on w.id = s.id
  left join {schema}.session_domain h on h.domain_id = $1 and h.session = s.id
 order by s.place
