-- Forgets workers' sessions that began before $1, unless a live run still names them, or they said
-- hello to an owner that is still in office: such a one may be given work at any moment, and what
-- is known of it must be there when the domain changes hands.
delete from {schema}.worker_session s
 where s.hello_us < $1
   and not exists (
     select from {schema}.live_run l join {schema}.task_instance t on t.run_id = l.run_id
      where t.session = s.id)
   and not exists (
     select from {schema}.domain d
       join {schema}.session_domain h on h.domain_id = d.id and h.session = s.id
      where h.hello_epoch = d.epoch)
