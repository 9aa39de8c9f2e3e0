-- Forgets workers' sessions that began before $1, unless a live run still names them.
delete from {schema}.worker_session s
 where s.hello_us < $1 and not exists (
   select from {schema}.run r join {schema}.task_instance t on t.run_id = r.id
    where r.state in (0, 1) and t.session = s.id)
