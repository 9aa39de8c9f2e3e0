-- The flush: one call, one autocommit statement, one round trip. Sections (flush_encoding.cc):
-- * of integers only: a bigint[][] with a line per row. Columns at the end that are 0 in every row
--   are left out and read as null. Two numbers share a column where that saves one.
-- * with texts: a text[] with one element per column, each the literal of that column's array; a
--   null element = the column's default in every row.
-- Empty = no rows.
--
-- Task rows are written through the primary key's conflict arbiter: no join, so no plan that could
-- flip. The proposed attempt is negative where a row has to be there: one that is really inserted
-- keeps the sign and gives itself away.

-- Raises PS001 for the first of the given rows that this transaction did not write.
create function {schema}.stale_1(p_what text, c bigint[]) returns void language plpgsql as $$
declare
  bad record;
begin
  select i.*, t.* into bad
    from (select c[g][1] as run_id, (c[g][2] >> 32)::int as task_idx,
                 (c[g][2] & 4294967295)::int - 1 as map_idx, (c[g][3] >> 8)::int as attempt,
                 g as place
            from generate_series(1, array_length(c, 1)) g) i
    left join lateral (
      select t.attempt as attempt_now, t.state,
             t.xmin = pg_current_xact_id()::xid as written
        from {schema}.task_instance t
       where t.run_id = i.run_id and t.task_idx = i.task_idx and t.map_idx = i.map_idx
      offset 0) t on true
   where t.written is not true or t.attempt_now <> i.attempt
   order by i.place limit 1;
  raise exception 'stale %: run % task % map % attempt %: the row %', p_what, bad.run_id,
    bad.task_idx, bad.map_idx, bad.attempt,
    case when bad.attempt_now is null or bad.attempt_now < 0 then 'does not exist'
         else format('is at attempt %s, state %s', bad.attempt_now, bad.state) end
    using errcode = 'PS001';
end $$;

-- Lines: run | task << 32 + map + 1 | attempt << 8 + state | started | finished |
-- tries << 32 + infra_tries | peak_rss | cpu | retry_at | cause | exit code | signal.
-- A live row's usage, retry, cause, exit code and signal are null already: a line that says nothing
-- about them need not write them.
create function {schema}.flush_completions_1(c bigint[]) returns void language plpgsql as $$
declare
  accepted int;
begin
  if array_length(c, 2) <= 6 then
    with done as (
      insert into {schema}.task_instance as t
             (run_id, task_idx, map_idx, attempt, state, started_us, finished_us, tries,
              infra_tries)
      select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
             -(c[g][3] >> 8)::int, (c[g][3] & 255)::smallint, nullif(c[g][4], 0),
             nullif(c[g][5], 0), (coalesce(c[g][6], 0) >> 32)::int,
             (coalesce(c[g][6], 0) & 4294967295)::int
        from generate_series(1, array_length(c, 1)) g
      on conflict (run_id, task_idx, map_idx) do update
         set state = excluded.state, tries = excluded.tries, infra_tries = excluded.infra_tries,
             started_us = excluded.started_us, finished_us = excluded.finished_us
       where t.attempt = -excluded.attempt and t.state in (2, 3)
      returning t.attempt)
    select count(*) into accepted from done where attempt > 0;
  else
    with done as (
      insert into {schema}.task_instance as t
             (run_id, task_idx, map_idx, attempt, state, started_us, finished_us, tries,
              infra_tries, peak_rss_kib, cpu_ms, retry_at_us, cause, exit_code, signal)
      select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
             -(c[g][3] >> 8)::int, (c[g][3] & 255)::smallint, nullif(c[g][4], 0),
             nullif(c[g][5], 0), (c[g][6] >> 32)::int, (c[g][6] & 4294967295)::int,
             nullif(c[g][7], 0), nullif(c[g][8], 0), nullif(c[g][9], 0),
             nullif(c[g][10], 0)::smallint, nullif(c[g][11], 0)::int, nullif(c[g][12], 0)::int
        from generate_series(1, array_length(c, 1)) g
      on conflict (run_id, task_idx, map_idx) do update
         set state = excluded.state, tries = excluded.tries, infra_tries = excluded.infra_tries,
             started_us = excluded.started_us, finished_us = excluded.finished_us,
             retry_at_us = excluded.retry_at_us, cause = excluded.cause,
             exit_code = excluded.exit_code, signal = excluded.signal,
             peak_rss_kib = excluded.peak_rss_kib, cpu_ms = excluded.cpu_ms
       where t.attempt = -excluded.attempt and t.state in (2, 3)
      returning t.attempt)
    select count(*) into accepted from done where attempt > 0;
  end if;
  if accepted <> array_length(c, 1) then
    perform {schema}.stale_1('completion', c);
  end if;
end $$;

-- Lines: run | task << 32 + map + 1 | attempt << 8 + state | finished | tries << 32 + infra_tries |
-- cause.
create function {schema}.flush_decisions_1(c bigint[]) returns void language plpgsql as $$
declare
  accepted int;
begin
  with done as (
    insert into {schema}.task_instance as t
           (run_id, task_idx, map_idx, attempt, state, finished_us, tries, infra_tries, cause)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
           -(c[g][3] >> 8)::int, (c[g][3] & 255)::smallint, nullif(c[g][4], 0),
           (coalesce(c[g][5], 0) >> 32)::int, (coalesce(c[g][5], 0) & 4294967295)::int,
           nullif(c[g][6], 0)::smallint
      from generate_series(1, array_length(c, 1)) g
    on conflict (run_id, task_idx, map_idx) do update
       set state = excluded.state, tries = excluded.tries, infra_tries = excluded.infra_tries,
           cause = excluded.cause, finished_us = excluded.finished_us, started_us = null,
           retry_at_us = null, exit_code = null, signal = null, peak_rss_kib = null, cpu_ms = null
     where t.attempt = -excluded.attempt and t.state not in (2, 3)
    returning t.attempt)
  select count(*) into accepted from done where attempt >= 0;
  if accepted <> array_length(c, 1) then
    perform {schema}.stale_1('decision', c);
  end if;
end $$;

-- Lines: run | task << 32 + map + 1 | attempt << 8 | session | tries << 32 + infra_tries.
create function {schema}.flush_dispatches_1(c bigint[]) returns void language plpgsql as $$
declare
  accepted int;
begin
  with done as (
    insert into {schema}.task_instance as t
           (run_id, task_idx, map_idx, attempt, state, session, tries, infra_tries)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
           case when c[g][3] = 256 then 1 else -(c[g][3] >> 8)::int end, 2, c[g][4],
           (coalesce(c[g][5], 0) >> 32)::int, (coalesce(c[g][5], 0) & 4294967295)::int
      from generate_series(1, array_length(c, 1)) g
    on conflict (run_id, task_idx, map_idx) do update
       set state = 2, attempt = abs(excluded.attempt), tries = excluded.tries,
           infra_tries = excluded.infra_tries, session = excluded.session, started_us = null,
           finished_us = null, retry_at_us = null, cause = null, exit_code = null, signal = null,
           peak_rss_kib = null, cpu_ms = null
     where t.attempt = abs(excluded.attempt) - 1 and t.state in (0, 8)
    returning t.attempt)
  select count(*) into accepted from done where attempt > 0;
  if accepted <> array_length(c, 1) then
    perform {schema}.stale_1('dispatch', c);
  end if;
end $$;

-- Lines: run | task << 32 + map + 1 | attempt << 8 | started. A mark for an attempt that has ended
-- meanwhile is no error and does nothing.
create function {schema}.flush_started_1(c bigint[]) returns void language plpgsql as $$
declare
  ghosts int;
begin
  with done as (
    insert into {schema}.task_instance as t
           (run_id, task_idx, map_idx, attempt, state, tries, infra_tries, started_us)
    select c[g][1], (c[g][2] >> 32)::int, (c[g][2] & 4294967295)::int - 1,
           -(c[g][3] >> 8)::int, 3, 0, 0, c[g][4]
      from generate_series(1, array_length(c, 1)) g
    on conflict (run_id, task_idx, map_idx) do update
       set state = 3, started_us = excluded.started_us
     where t.attempt = -excluded.attempt and t.state = 2
    returning t.attempt)
  select count(*) into ghosts from done where attempt < 0;
  if ghosts > 0 then
    perform {schema}.stale_1('start', c);
  end if;
end $$;

create function {schema}.flush_new_runs_1(p_domain int, c text[]) returns void
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
end $$;

-- The proposed row has dag_id 0, or -1 when a user acts: it can only ever meet a row, not be one.
create function {schema}.flush_run_updates_1(p_domain int, c text[]) returns void
language plpgsql as $$
declare
  runs bigint[] := c[1];
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
  if accepted = cardinality(runs) then
    return;
  end if;
  select i.id, r.state into bad
    from unnest(runs) with ordinality as i(id, place)
    left join {schema}.run r on r.id = i.id and r.dag_id > 0 and r.domain_id = p_domain
   where r.xmin is distinct from pg_current_xact_id()::xid
   order by i.place limit 1;
  raise exception 'stale run update: run %: it %', bad.id,
    coalesce('is in state ' || bad.state, 'does not exist') using errcode = 'PS001';
end $$;

create function {schema}.flush_dags_1(c text[]) returns void language sql as $$
  insert into {schema}.dag as d
         (id, namespace_id, name, paused, version_id, max_active_runs, deleted, created_us,
          updated_us)
  select i.id, i.namespace_id, i.name, coalesce(i.paused, false), coalesce(i.version_id, 0),
         coalesce(i.max_active_runs, 0), coalesce(i.deleted, false), {schema}.now_us(),
         {schema}.now_us()
    from unnest(c[1]::bigint[], c[2]::int[], c[3]::text[], c[4]::boolean[], c[5]::bigint[],
                c[6]::int[], c[7]::boolean[])
           as i(id, namespace_id, name, paused, version_id, max_active_runs, deleted)
  on conflict (id) do update
     set namespace_id = excluded.namespace_id, name = excluded.name, paused = excluded.paused,
         version_id = excluded.version_id, max_active_runs = excluded.max_active_runs,
         deleted = excluded.deleted, updated_us = excluded.updated_us
$$;

create function {schema}.flush_pools_1(p_domain int, c text[]) returns void language sql as $$
  delete from {schema}.pool p
   using unnest(c[1]::text[], c[4]::boolean[]) as i(name, deleted)
   where p.domain_id = p_domain and p.name = i.name and i.deleted;
  insert into {schema}.pool (domain_id, name, slots, description)
  select p_domain, i.name, coalesce(i.slots, 0), coalesce(i.description, '')
    from unnest(c[1]::text[], c[2]::int[], c[3]::text[], c[4]::boolean[])
           as i(name, slots, description, deleted)
   where i.deleted is not true
  on conflict (domain_id, name) do update
     set slots = excluded.slots, description = excluded.description
$$;

create function {schema}.flush_sessions_1(p_domain int, p_epoch bigint, c text[]) returns void
language sql as $$
  insert into {schema}.worker_session
         (id, name, worker_group, queues, label_names, label_values, cpu_millis, memory_bytes,
          custom_names, custom_amounts, slots, started_us, version, hello_us)
  select i.id, coalesce(i.name, ''), coalesce(i.worker_group, ''), i.queues::text[],
         i.label_names::text[], i.label_values::text[], coalesce(i.cpu_millis, 0),
         coalesce(i.memory_bytes, 0), i.custom_names::text[], i.custom_amounts::bigint[],
         coalesce(i.slots, 0), coalesce(i.started_us, 0), coalesce(i.version, ''),
         {schema}.now_us()
    from unnest(c[1]::bigint[], c[2]::text[], c[3]::text[], c[4]::text[], c[5]::text[],
                c[6]::text[], c[7]::bigint[], c[8]::bigint[], c[9]::text[], c[10]::text[],
                c[11]::int[], c[12]::bigint[], c[13]::text[])
           as i(id, name, worker_group, queues, label_names, label_values, cpu_millis,
                memory_bytes, custom_names, custom_amounts, slots, started_us, version)
  on conflict (id) do update
     set name = excluded.name, worker_group = excluded.worker_group, queues = excluded.queues,
         label_names = excluded.label_names, label_values = excluded.label_values,
         cpu_millis = excluded.cpu_millis, memory_bytes = excluded.memory_bytes,
         custom_names = excluded.custom_names, custom_amounts = excluded.custom_amounts,
         slots = excluded.slots, started_us = excluded.started_us, version = excluded.version,
         hello_us = excluded.hello_us;
  insert into {schema}.session_domain (domain_id, session, hello_epoch)
  select p_domain, id, p_epoch from unnest(c[1]::bigint[]) as i(id)
  on conflict (domain_id, session) do update set hello_epoch = excluded.hello_epoch
$$;

create function {schema}.flush_attempts_1(c text[]) returns void
language plpgsql as $$
begin
  insert into {schema}.task_attempt
         (run_id, task_idx, map_idx, attempt, state, tries, infra_tries, session, started_us,
          finished_us, retry_at_us, cause, exit_code, signal, peak_rss_kib, cpu_ms, charged, error)
  select i.run_id, i.task_idx, coalesce(i.map_idx, -1), i.attempt, coalesce(i.state, 0),
         coalesce(i.tries, 0), coalesce(i.infra_tries, 0), i.session, i.started_us, i.finished_us,
         i.retry_at_us, i.cause, i.exit_code, i.signal, i.peak_rss_kib, i.cpu_ms,
         coalesce(i.charged, false), coalesce(i.error, '')
    from unnest(c[1]::bigint[], c[2]::int[], c[3]::int[], c[4]::int[], c[5]::smallint[],
                c[6]::int[], c[7]::int[], c[8]::bigint[], c[9]::bigint[], c[10]::bigint[],
                c[11]::bigint[], c[12]::smallint[], c[13]::int[], c[14]::int[], c[15]::bigint[],
                c[16]::bigint[], c[17]::boolean[], c[18]::text[])
           as i(run_id, task_idx, map_idx, attempt, state, tries, infra_tries, session, started_us,
                finished_us, retry_at_us, cause, exit_code, signal, peak_rss_kib, cpu_ms, charged,
                error);
end $$;

create function {schema}.flush_outputs_1(c text[]) returns void
language plpgsql as $$
begin
  insert into {schema}.task_output (run_id, task_idx, map_idx, attempt, output, error)
  select i.run_id, i.task_idx, coalesce(i.map_idx, -1), i.attempt, coalesce(i.output, ''),
         coalesce(i.error, '')
    from unnest(c[1]::bigint[], c[2]::int[], c[3]::int[], c[4]::int[], c[5]::text[], c[6]::text[])
           as i(run_id, task_idx, map_idx, attempt, output, error);
end $$;

create function {schema}.flush_audit_1(p_domain int, c text[]) returns void language sql as $$
  insert into {schema}.audit_log (domain_id, at_us, action, subject, actor)
  select p_domain, coalesce(i.at_us, 0), i.action, coalesce(i.subject, ''), coalesce(i.actor, '')
    from unnest(c[1]::bigint[], c[2]::text[], c[3]::text[], c[4]::text[])
           as i(at_us, action, subject, actor)
$$;

create function {schema}.flush_inbox_1(p_domain int, p_ids bigint[]) returns void
language plpgsql as $$
declare
  consumed int;
begin
  delete from {schema}.inbox where id = any(p_ids) and domain_id = p_domain;
  get diagnostics consumed = row_count;
  if consumed <> cardinality(p_ids) then
    raise exception 'stale inbox: % of % rows were there', consumed, cardinality(p_ids)
      using errcode = 'PS001';
  end if;
end $$;

-- Returns false, having written nothing, when the fence has moved on. Sequential scans are off
-- because a plan made while a table was small would stay.
create function {schema}.flush_1(
    p_domain int, p_epoch bigint, p_seq bigint, p_progress boolean, p_sessions text[],
    p_new_runs text[], p_dags text[], p_pools text[], p_completions bigint[],
    p_decisions bigint[], p_dispatches bigint[], p_started bigint[], p_attempts text[],
    p_outputs text[],
    p_run_updates text[], p_audit text[], p_inbox bigint[]) returns boolean
language plpgsql set enable_seqscan = off as $$
begin
  -- A marker, never waited for: it names this backend to whoever takes over (end_flushes_1).
  perform pg_advisory_xact_lock_shared({schema}.lock_class(2), p_domain);
  insert into {schema}.domain_flush (domain_id, flush_seq, epoch)
  select p_domain, p_seq, p_epoch from {schema}.domain_flush f
   where f.domain_id = p_domain and f.flush_seq = p_seq - 1 and f.epoch = p_epoch
  on conflict do nothing;
  if not found then
    return false;
  end if;
  if cardinality(p_sessions) > 0 then
    perform {schema}.flush_sessions_1(p_domain, p_epoch, p_sessions);
  end if;
  if cardinality(p_new_runs) > 0 then
    perform {schema}.flush_new_runs_1(p_domain, p_new_runs);
  end if;
  if cardinality(p_dags) > 0 then
    perform {schema}.flush_dags_1(p_dags);
  end if;
  if cardinality(p_pools) > 0 then
    perform {schema}.flush_pools_1(p_domain, p_pools);
  end if;
  if cardinality(p_completions) > 0 then
    perform {schema}.flush_completions_1(p_completions);
  end if;
  if cardinality(p_decisions) > 0 then
    perform {schema}.flush_decisions_1(p_decisions);
  end if;
  if cardinality(p_dispatches) > 0 then
    perform {schema}.flush_dispatches_1(p_dispatches);
  end if;
  if cardinality(p_started) > 0 then
    perform {schema}.flush_started_1(p_started);
  end if;
  if cardinality(p_attempts) > 0 then
    perform {schema}.flush_attempts_1(p_attempts);
  end if;
  if cardinality(p_outputs) > 0 then
    perform {schema}.flush_outputs_1(p_outputs);
  end if;
  if cardinality(p_run_updates) > 0 then
    perform {schema}.flush_run_updates_1(p_domain, p_run_updates);
  end if;
  if cardinality(p_audit) > 0 then
    perform {schema}.flush_audit_1(p_domain, p_audit);
  end if;
  if cardinality(p_inbox) > 0 then
    perform {schema}.flush_inbox_1(p_domain, p_inbox);
  end if;
  if p_progress then
    update {schema}.domain set loads_without_progress = 0
     where id = p_domain and loads_without_progress <> 0;
  end if;
  return true;
end $$;
