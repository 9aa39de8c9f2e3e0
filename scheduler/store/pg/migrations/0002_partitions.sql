-- Partitions of the task tables. Creating one never takes a lock that a flush would wait for: the
-- table is made alone and then attached (SHARE UPDATE EXCLUSIVE on the parent).

create function {schema}.now_us() returns bigint language sql stable as $$
  select (extract(epoch from statement_timestamp()) * 1000000)::bigint
$$;

-- The key of the transaction lock `what` (a number of our own) of this schema.
create function {schema}.lock_class(what int) returns int language sql immutable as $$
  select (hashtext('{schema}') & 16777215) * 16 + what
$$;

create function {schema}.add_partition_1(p_number int) returns void language plpgsql as $$
declare
  low bigint := p_number::bigint << 40;
  high bigint := (p_number::bigint + 1) << 40;
  parent text;
  options text;
begin
  foreach parent in array array['task_instance', 'task_attempt', 'task_output'] loop
    options := 'autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off';
    if parent = 'task_instance' then
      options := options || ', fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02';
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

-- Closes the open partition when it is older than p_span_us or has given out p_runs ids, opens the
-- next one, and keeps one in reserve. Returns how many were made; 0 when another session is at it.
create function {schema}.ensure_partitions_1(p_span_us bigint, p_runs bigint) returns int
language plpgsql as $$
declare
  created int := 0;
  current_number int;
  is_full boolean;
begin
  if not pg_try_advisory_xact_lock({schema}.lock_class(1), 0) then
    return 0;
  end if;
  select number, opened_us < {schema}.now_us() - p_span_us or next_seq > p_runs
    into current_number, is_full
    from {schema}.partition where opened_us is not null and closed_us is null for update;
  if current_number is null or is_full then
    update {schema}.partition set closed_us = {schema}.now_us() where number = current_number;
    select min(number) into current_number from {schema}.partition where opened_us is null;
    if current_number is null then
      select coalesce(max(number), 0) + 1 into current_number from {schema}.partition;
      perform {schema}.add_partition_1(current_number);
      created := created + 1;
    end if;
    update {schema}.partition set opened_us = {schema}.now_us() where number = current_number;
  end if;
  if not exists (select from {schema}.partition where opened_us is null) then
    perform {schema}.add_partition_1(
      (select max(number) + 1 from {schema}.partition));
    created := created + 1;
  end if;
  return created;
end $$;

select {schema}.ensure_partitions_1(0, 0);
