delete from {schema}.session_domain h
 where not exists (select from {schema}.worker_session s where s.id = h.session)
