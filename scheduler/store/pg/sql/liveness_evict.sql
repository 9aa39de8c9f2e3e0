-- Ends the backend that holds the liveness lock of scheduler $1: an earlier connection of its own.
select pg_terminate_backend(l.pid)
  from pg_locks l, (select hashtextextended('{schema}', 0) # $1) k(v)
 where l.locktype = 'advisory' and l.objsubid = 1 and l.granted and l.pid <> pg_backend_pid()
   and l.database = (select oid from pg_database where datname = current_database())
   and l.classid = ((k.v >> 32) & 4294967295)::oid and l.objid = (k.v & 4294967295)::oid
