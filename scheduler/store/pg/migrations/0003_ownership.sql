-- Ownership of domains. SQLSTATE PS001 = a row is not as expected, PS002 = somebody else owns it.

-- Cluster and timeline: another one than the incarnation was made for means that the database was
-- restored or failed over, maybe with commits lost.
create function {schema}.identity_1() returns text language plpgsql volatile as $$
begin
  return (select system_identifier from pg_control_system()) || ':' ||
         left(pg_walfile_name(pg_current_wal_lsn()), 8);
exception when insufficient_privilege or undefined_function then
  return 'unknown';
end $$;

create function {schema}.new_incarnation_1(p_reason text) returns bigint language sql volatile as $$
  update {schema}.settings
     set incarnation = ('x' || left(md5(gen_random_uuid()::text), 16))::bit(64)::bigint
                       & 9223372036854775807,
         identity = {schema}.identity_1(), incarnation_reason = p_reason
  returning incarnation
$$;

insert into {schema}.settings (incarnation, identity, incarnation_reason) values (0, '', '');
select {schema}.new_incarnation_1('created');

-- The incarnation, renewed first when the database is not the one it was made for.
create function {schema}.incarnation_1() returns bigint language plpgsql volatile as $$
declare
  current_row {schema}.settings;
begin
  select * into strict current_row from {schema}.settings;
  if current_row.identity = {schema}.identity_1() then
    return current_row.incarnation;
  end if;
  perform from {schema}.settings for update;
  select * into strict current_row from {schema}.settings;
  if current_row.identity = {schema}.identity_1() then
    return current_row.incarnation;
  end if;
  return {schema}.new_incarnation_1('database changed from ' || current_row.identity);
end $$;

-- Ends the backends that have a flush of the domain under way: they hold its marker lock.
create function {schema}.end_flushes_1(p_domain int) returns void language plpgsql as $$
begin
  perform pg_terminate_backend(l.pid) from pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 2 and l.pid <> pg_backend_pid()
      and l.database = (select oid from pg_database where datname = current_database())
      and l.classid = {schema}.lock_class(2)::oid and l.objid = p_domain::oid;
exception when insufficient_privilege then
  null;  -- of another role: the fence alone has to stop it
end $$;

-- Writes the load row after the last row there is. Waits for a flush that is still under way.
create function {schema}.append_fence_1(p_domain int, p_epoch bigint) returns bigint
language plpgsql as $$
declare
  seq bigint;
begin
  loop
    select coalesce(max(flush_seq), 0) + 1 into seq
      from {schema}.domain_flush where domain_id = p_domain;
    insert into {schema}.domain_flush values (p_domain, seq, p_epoch, clock_timestamp())
      on conflict do nothing;
    exit when found;
  end loop;
  return seq;
end $$;

create function {schema}.take_over_1(p_domain int, p_self bigint, p_seen_epoch bigint,
                                     out flush_seq bigint, out loads int)
language plpgsql as $$
declare
  epoch_now bigint;
begin
  select d.epoch into epoch_now from {schema}.domain d where d.id = p_domain for update;
  if epoch_now is distinct from p_seen_epoch then
    raise exception 'domain % is at epoch %, not %', p_domain, coalesce(epoch_now::text, 'none'),
      p_seen_epoch using errcode = 'PS002';
  end if;
  perform {schema}.end_flushes_1(p_domain);
  flush_seq := {schema}.append_fence_1(p_domain, p_seen_epoch + 1);
  update {schema}.domain d
     set epoch = p_seen_epoch + 1, owner = p_self, id_partition = null,
         loads_without_progress = d.loads_without_progress + 1
   where d.id = p_domain returning d.loads_without_progress into loads;
end $$;

-- p_in_doubt = 0: nothing to ask. Otherwise committed tells what became of that flush, for good:
-- either its row is there, or this load's row takes its place.
create function {schema}.reload_1(p_domain int, p_epoch bigint, p_in_doubt bigint,
                                  out flush_seq bigint, out loads int, out committed boolean)
language plpgsql as $$
declare
  epoch_now bigint;
  found_epoch bigint;
begin
  select d.epoch into epoch_now from {schema}.domain d where d.id = p_domain for update;
  if epoch_now is distinct from p_epoch then
    raise exception 'domain % is at epoch %, not %', p_domain, coalesce(epoch_now::text, 'none'),
      p_epoch using errcode = 'PS002';
  end if;
  perform {schema}.end_flushes_1(p_domain);
  if p_in_doubt > 0 then
    insert into {schema}.domain_flush values (p_domain, p_in_doubt, p_epoch, clock_timestamp())
      on conflict do nothing;
    if found then
      flush_seq := p_in_doubt;
      committed := false;
    else
      select f.epoch, f.loaded_at is null into found_epoch, committed
        from {schema}.domain_flush f
       where f.domain_id = p_domain and f.flush_seq = p_in_doubt;
      if found_epoch is distinct from p_epoch then
        raise exception 'flush % of domain % belongs to epoch %, not %', p_in_doubt, p_domain,
          coalesce(found_epoch::text, 'none'), p_epoch using errcode = 'PS002';
      end if;
    end if;
  end if;
  if flush_seq is null then
    flush_seq := {schema}.append_fence_1(p_domain, p_epoch);
  end if;
  update {schema}.domain d set loads_without_progress = d.loads_without_progress + 1
   where d.id = p_domain returning d.loads_without_progress into loads;
end $$;

-- Run ids of the open partition. The partition is noted with the domain, so that it is not dropped
-- while ids of it may still be used.
create function {schema}.take_ids_1(p_domain int, p_epoch bigint, p_count bigint) returns bigint
language plpgsql as $$
declare
  part int;
  first_seq bigint;
begin
  for i in 1 .. 10 loop
    update {schema}.partition p set next_seq = p.next_seq + p_count
     where p.opened_us is not null and p.closed_us is null
    returning p.number, p.next_seq - p_count into part, first_seq;
    exit when found;  -- else the partition closed while this waited for its row
  end loop;
  if part is null then
    raise exception 'no partition is open' using errcode = 'lock_not_available';
  end if;
  update {schema}.domain d set id_partition = part where d.id = p_domain and d.epoch = p_epoch;
  if not found then
    raise exception 'domain % is not at epoch %', p_domain, p_epoch using errcode = 'PS002';
  end if;
  return (part::bigint << 40) + first_seq;
end $$;
