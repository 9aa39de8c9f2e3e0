-- Lives of a domain. One ends when commits that somebody has seen are gone (a restore, a failover to
-- a standby that lagged) or may be gone (another timeline, and nobody left who knows what had been
-- committed). In the next life no id, epoch, flush_seq or attempt number of the lost part comes
-- again, and nothing is given out before the leases of the lost part have ended.

alter table {schema}.domain
  add column identity text not null default '',     -- cluster and timeline of the latest load
  add column first_attempt int not null default 0,  -- attempts of this life have higher numbers
  add column waits boolean not null default false;  -- for the leases of the life before
-- Run ids of a partition are its number, then skipped + next_seq.
alter table {schema}.settings add column skipped bigint not null default 0;
create function {schema}.skipped_1() returns bigint language sql stable as $$
  select skipped from {schema}.settings
$$;
alter table {schema}.partition
  add column skipped bigint not null default {schema}.skipped_1();

-- Renewed by new lives only. It follows the clock, so that it is higher than one that was lost; one
-- that workers may know already stays.
update {schema}.settings set incarnation = {schema}.now_us()
 where not exists (select from {schema}.scheduler);
create or replace function {schema}.incarnation_1() returns bigint language sql volatile as $$
  select incarnation from {schema}.settings
$$;

create function {schema}.last_flush_1(p_domain int) returns bigint language sql stable as $$
  select coalesce(max(flush_seq), 0) from {schema}.domain_flush where domain_id = p_domain
$$;

-- Everything that names things jumps by a random distance: what the lost part had given out lies
-- below, and should the same state be restored twice, the two lives after it differ too.
create function {schema}.skip_names_1(p_reason text) returns void language plpgsql as $$
declare
  far bigint := (1::bigint << 28) + floor(random() * (1 << 28))::bigint;
  near bigint := 1024 + floor(random() * 1024)::bigint;
  counter record;
begin
  update {schema}.settings
     set incarnation = greatest(incarnation + far, {schema}.now_us()),
         identity = {schema}.identity_1(), incarnation_reason = p_reason,
         skipped = far << 8;
  update {schema}.partition set skipped = skipped + far where closed_us is null;
  for counter in
    select pg_get_serial_sequence('{schema}.' || name, 'id')::regclass as sequence, distance
      from (values ('dag_version', far), ('inbox', far), ('audit_log', far), ('namespace', near),
                   ('domain', near)) as v(name, distance)
    union all select '{schema}.dag_id'::regclass, far
  loop
    perform setval(counter.sequence, nextval(counter.sequence) + counter.distance);
  end loop;
end $$;

-- Begins the next life of a domain whose row the caller has locked. A flush of the former owner
-- meets the row after the last one; the new owner goes on from the one that is returned. Attempts
-- are numbered by the second, so that they go up whatever the lost part has used.
create function {schema}.new_life_1(p_domain int, p_known bigint, p_reason text,
                                    out epoch bigint, out flush_seq bigint)
language plpgsql as $$
declare
  far bigint := (1::bigint << 28) + floor(random() * (1 << 28))::bigint;
begin
  perform {schema}.skip_names_1(format('domain %s: %s', p_domain, p_reason));
  update {schema}.domain d
     set epoch = d.epoch + far, id_partition = null, waits = true,
         first_attempt = greatest(d.first_attempt + 1000,
           extract(epoch from clock_timestamp() - timestamptz '2026-01-01 00:00+00')::int)
   where d.id = p_domain returning d.epoch into epoch;
  flush_seq := greatest({schema}.append_fence_1(p_domain, epoch), p_known) + far;
  insert into {schema}.domain_flush values (p_domain, flush_seq, epoch, clock_timestamp());
end $$;

-- Somebody knows flush p_known of the domain to be committed: if it is gone, the domain has no
-- owner any more.
create function {schema}.declare_loss_1(p_domain int, p_known bigint) returns void
language plpgsql as $$
begin
  perform from {schema}.domain d where d.id = p_domain for update;
  if {schema}.last_flush_1(p_domain) < p_known then
    perform {schema}.end_flushes_1(p_domain);
    perform {schema}.new_life_1(p_domain, p_known, 'commits are missing');
    update {schema}.domain d set owner = 0 where d.id = p_domain;
  end if;
end $$;

-- The end of every load. What has been decided so far is in flush_seq; null = to be written here.
create function {schema}.finish_load_1(p_domain int, p_epoch bigint, inout flush_seq bigint,
                                       out loads int, out first_attempt int, out waits boolean)
language plpgsql as $$
begin
  flush_seq := coalesce(flush_seq, {schema}.append_fence_1(p_domain, p_epoch));
  update {schema}.domain d
     set identity = {schema}.identity_1(), loads_without_progress = d.loads_without_progress + 1
   where d.id = p_domain
  returning d.loads_without_progress, d.first_attempt, d.waits into loads, first_attempt, waits;
end $$;

-- p_known: the last flush that this scheduler knows to be committed. A scheduler that takes over
-- after a change of the timeline does not know what the owner before it has lost.
create function {schema}.take_over_2(p_domain int, p_self bigint, p_seen_epoch bigint,
                                     p_known bigint, out epoch bigint, out flush_seq bigint,
                                     out loads int, out first_attempt int, out waits boolean)
language plpgsql as $$
declare
  before {schema}.domain;
begin
  select * into before from {schema}.domain d where d.id = p_domain for update;
  if before.epoch is distinct from p_seen_epoch then
    raise exception 'domain % is at epoch %, not %', p_domain,
      coalesce(before.epoch::text, 'none'), p_seen_epoch using errcode = 'PS002';
  end if;
  perform {schema}.end_flushes_1(p_domain);
  epoch := p_seen_epoch + 1;
  if {schema}.last_flush_1(p_domain) < p_known then
    select * into epoch, flush_seq
      from {schema}.new_life_1(p_domain, p_known, 'commits are missing');
  elsif before.identity not in ('', {schema}.identity_1()) then
    select * into epoch, flush_seq
      from {schema}.new_life_1(p_domain, p_known, 'another timeline than ' || before.identity);
  end if;
  update {schema}.domain d set epoch = take_over_2.epoch, owner = p_self, id_partition = null
   where d.id = p_domain;
  select * into flush_seq, loads, first_attempt, waits
    from {schema}.finish_load_1(p_domain, epoch, flush_seq);
end $$;

-- p_in_doubt = 0: nothing to ask. Otherwise committed tells what became of that flush, for good:
-- either its row is there, or this load's row takes its place. p_known as in take_over_2: an owner
-- whose last flush is there has lost nothing, whatever the timeline, because the log is replayed in
-- order. p_waited: this owner has waited for the leases of the life before.
create function {schema}.reload_2(p_domain int, p_epoch bigint, p_in_doubt bigint, p_known bigint,
                                  p_waited boolean, out epoch bigint, out flush_seq bigint,
                                  out loads int, out first_attempt int, out waits boolean,
                                  out committed boolean)
language plpgsql as $$
declare
  found_epoch bigint;
begin
  select d.epoch into epoch from {schema}.domain d where d.id = p_domain for update;
  if epoch is distinct from p_epoch then
    raise exception 'domain % is at epoch %, not %', p_domain, coalesce(epoch::text, 'none'),
      p_epoch using errcode = 'PS002';
  end if;
  perform {schema}.end_flushes_1(p_domain);
  if p_waited then
    update {schema}.domain d set waits = false where d.id = p_domain;
  end if;
  if {schema}.last_flush_1(p_domain) < p_known then
    committed := false;
    select * into epoch, flush_seq
      from {schema}.new_life_1(p_domain, p_known, 'commits are missing');
  elsif p_in_doubt > 0 then
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
  select * into flush_seq, loads, first_attempt, waits
    from {schema}.finish_load_1(p_domain, epoch, flush_seq);
end $$;

create or replace function {schema}.take_ids_1(p_domain int, p_epoch bigint, p_count bigint)
returns bigint language plpgsql as $$
declare
  part int;
  first_id bigint;
begin
  for i in 1 .. 10 loop
    update {schema}.partition p set next_seq = p.next_seq + p_count
     where p.opened_us is not null and p.closed_us is null
    returning p.number, p.skipped + p.next_seq - p_count into part, first_id;
    exit when found;  -- else the partition closed while this waited for its row
  end loop;
  if part is null then
    raise exception 'no partition is open' using errcode = 'lock_not_available';
  end if;
  update {schema}.domain d set id_partition = part where d.id = p_domain and d.epoch = p_epoch;
  if not found then
    raise exception 'domain % is not at epoch %', p_domain, p_epoch using errcode = 'PS002';
  end if;
  return (part::bigint << 40) + first_id;
end $$;

-- As before, but for lines whose attempt leaps (its lowest bit is 1): the number before it may be
-- any lower one, and the row may be new.
create or replace function {schema}.flush_dispatches_1(c bigint[]) returns void
language plpgsql as $$
declare
  accepted int;
begin
  with done as (
    insert into {schema}.task_instance as t
           (run_id, task_idx, map_idx, attempt, state, session, tries, infra_tries)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
           case when c[g][3] = 256 or c[g][3] & 1 = 1 then 1 else -1 end * (c[g][3] >> 8)::int, 2,
           c[g][4], (coalesce(c[g][5], 0) >> 32)::int, (coalesce(c[g][5], 0) & 4294967295)::int
      from generate_series(1, array_length(c, 1)) g
    on conflict (run_id, task_idx, map_idx) do update
       set state = 2, attempt = abs(excluded.attempt), tries = excluded.tries,
           infra_tries = excluded.infra_tries, session = excluded.session, started_us = null,
           finished_us = null, retry_at_us = null, cause = null, exit_code = null, signal = null,
           peak_rss_kib = null, cpu_ms = null
     where (t.attempt = abs(excluded.attempt) - 1
            or t.attempt < excluded.attempt and excluded.attempt > 1)
       and t.state in (0, 8)
    returning t.attempt)
  select count(*) into accepted from done where attempt > 0;
  if accepted <> array_length(c, 1) then
    perform {schema}.stale_1('dispatch', c);
  end if;
end $$;
