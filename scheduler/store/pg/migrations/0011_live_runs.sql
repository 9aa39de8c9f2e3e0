-- Cheaper rows (docs/adr/0019-cheaper-rows.md): live runs are listed in a table of their own instead
-- of an index on the run's state, so that the update that ends a run touches no index; a first
-- attempt is inserted without asking whether there is a row; pages of task instances keep room for
-- the update of every row.

-- Flushes under way end first, and those that wait here go on with the functions below: they look
-- them up after this lock.
lock table {schema}.domain_flush in share mode;

create table {schema}.live_run (
  domain_id int not null,
  run_id bigint not null,
  primary key (domain_id, run_id)) with (autovacuum_vacuum_cost_delay = 0);
insert into {schema}.live_run (domain_id, run_id)
select domain_id, id from {schema}.run where state in (0, 1);
drop index {schema}.run_live;
alter table {schema}.run set (fillfactor = 50);

create or replace function {schema}.flush_new_runs_1(p_domain int, c text[]) returns void
language plpgsql as $$
begin
  insert into {schema}.run
         (id, domain_id, dag_id, version_id, run_key, idempotency_key, logical_date_us, params,
          note, state, intent, reason, quarantined, created_us, started_us, finished_us)
  select i.id, p_domain, i.dag_id, i.version_id, i.run_key, i.idempotency_key,
         i.logical_date_us, coalesce(i.params, ''), coalesce(i.note, ''), coalesce(i.state, 0),
         coalesce(i.intent, 0), coalesce(i.reason, ''), coalesce(i.quarantined, false),
         coalesce(i.created_us, 0), coalesce(i.started_us, 0), coalesce(i.finished_us, 0)
    from unnest(c[1]::bigint[], c[2]::bigint[], c[3]::bigint[], c[4]::text[], c[5]::text[],
                c[6]::bigint[], c[7]::text[], c[8]::text[], c[9]::smallint[], c[10]::smallint[],
                c[11]::text[], c[12]::boolean[], c[13]::bigint[], c[14]::bigint[], c[15]::bigint[])
           as i(id, dag_id, version_id, run_key, idempotency_key, logical_date_us, params, note,
                state, intent, reason, quarantined, created_us, started_us, finished_us);
  insert into {schema}.live_run (domain_id, run_id)
  select p_domain, i.id from unnest(c[1]::bigint[], c[9]::smallint[]) as i(id, state)
   where coalesce(i.state, 0) in (0, 1);
end $$;

-- The proposed row has dag_id 0, or -1 when a user acts: it can only ever meet a row, not be one.
create or replace function {schema}.flush_run_updates_1(p_domain int, c text[]) returns void
language plpgsql as $$
declare
  runs bigint[] := c[1];
  ended bigint[] := array(
    select i.id from unnest(runs, c[2]::smallint[]) as i(id, state) where i.state not in (0, 1));
  accepted int;
  bad record;
begin
  with done as (
    insert into {schema}.run as r
           (id, domain_id, dag_id, version_id, run_key, params, note, state, intent, reason,
            quarantined, created_us, started_us, finished_us)
    select i.id, p_domain, case when i.by_user then -1 else 0 end, 0, '', '', '',
           coalesce(i.state, 0), coalesce(i.intent, 0), coalesce(i.reason, ''),
           coalesce(i.quarantined, false), 0, coalesce(i.started_us, 0), coalesce(i.finished_us, 0)
      from unnest(runs, c[2]::smallint[], c[3]::smallint[], c[4]::text[], c[5]::boolean[],
                  c[6]::bigint[], c[7]::bigint[], c[8]::boolean[])
             as i(id, state, intent, reason, quarantined, started_us, finished_us, by_user)
    on conflict (id) do update
       set state = excluded.state, intent = excluded.intent, reason = excluded.reason,
           quarantined = excluded.quarantined, started_us = excluded.started_us,
           finished_us = excluded.finished_us
     where r.domain_id = excluded.domain_id and (r.state in (0, 1) or excluded.dag_id = -1)
    returning r.dag_id)
  select count(*) into accepted from done where dag_id > 0;
  if accepted <> cardinality(runs) then
    select i.id, r.state into bad
      from unnest(runs) with ordinality as i(id, place)
      left join {schema}.run r on r.id = i.id and r.dag_id > 0 and r.domain_id = p_domain
     where r.xmin is distinct from pg_current_xact_id()::xid
     order by i.place limit 1;
    raise exception 'stale run update: run %: it %', bad.id,
      coalesce('is in state ' || bad.state, 'does not exist') using errcode = 'PS001';
  end if;
  if cardinality(ended) > 0 then
    delete from {schema}.live_run where domain_id = p_domain and run_id = any(ended);
  end if;
  if c[8] is not null then  -- a user may take an ended run up again
    insert into {schema}.live_run (domain_id, run_id)
    select p_domain, i.id from unnest(runs, c[2]::smallint[], c[8]::boolean[]) as i(id, state, by_user)
     where i.by_user and coalesce(i.state, 0) in (0, 1)
    on conflict do nothing;
  end if;
end $$;

-- Lines: run | task << 32 + map + 1 | attempt << 8 + flags | session | tries << 32 + infra_tries.
-- Flags: 1 = leap, 2 = there is no row yet. Such lines come first and are inserted without asking:
-- meeting a row is an error (unique_violation).
create or replace function {schema}.flush_dispatches_1(c bigint[]) returns void
language plpgsql as $$
declare
  total int := array_length(c, 1);
  fresh int := 0;
  accepted int;
begin
  if c[total][3] & 2 = 2 then
    fresh := total;
  elsif c[1][3] & 2 = 2 then
    select count(*) into fresh from generate_series(1, total) g where c[g][3] & 2 = 2;
  end if;
  if fresh > 0 then
    insert into {schema}.task_instance
           (run_id, task_idx, map_idx, attempt, state, session, tries, infra_tries)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1, (c[g][3] >> 8)::int, 2,
           c[g][4], (coalesce(c[g][5], 0) >> 32)::int, (coalesce(c[g][5], 0) & 4294967295)::int
      from generate_series(1, fresh) g;
  end if;
  if fresh = total then
    return;
  end if;
  with done as (
    insert into {schema}.task_instance as t
           (run_id, task_idx, map_idx, attempt, state, session, tries, infra_tries)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
           case when c[g][3] = 256 or c[g][3] & 1 = 1 then 1 else -1 end * (c[g][3] >> 8)::int, 2,
           c[g][4], (coalesce(c[g][5], 0) >> 32)::int, (coalesce(c[g][5], 0) & 4294967295)::int
      from generate_series(fresh + 1, total) g
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
  if accepted <> total - fresh then
    perform {schema}.stale_1('dispatch', c);
  end if;
end $$;

-- 42 rows of a page when they are dispatched, 76 bytes each, and 108 more for each when it has ended.
create or replace function {schema}.add_partition_1(p_number int) returns void language plpgsql as $$
declare
  low bigint := p_number::bigint << 40;
  high bigint := (p_number::bigint + 1) << 40;
  parent text;
  options text;
begin
  foreach parent in array array['task_instance', 'task_attempt', 'task_output'] loop
    options := 'autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off';
    if parent = 'task_instance' then
      options := options || ', fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02';
    end if;
    execute format(
      'create table {schema}.%I (like {schema}.%I including defaults including indexes) with (%s)',
      parent || '_p' || p_number, parent, options);
    execute format(
      'alter table {schema}.%I attach partition {schema}.%I for values from (%s) to (%s)',
      parent, parent || '_p' || p_number, low, high);
  end loop;
  insert into {schema}.partition (number, created_us) values (p_number, {schema}.now_us());
end $$;


do $$
declare
  number int;
begin
  for number in select p.number from {schema}.partition p where p.closed_us is null loop
    execute format('alter table {schema}.%I set (fillfactor = 40)', 'task_instance_p' || number);
  end loop;
end $$;
