-- What the catalog and the maintenance need beyond single statements.

-- The canonical form's "description", or nothing: whatever the text is, it is stored.
create function {schema}.description_1(p_canonical text) returns text language plpgsql as $$
begin
  return coalesce(p_canonical::json ->> 'description', '');
exception when others then
  return '';
end $$;

create function {schema}.put_version_1(p_namespace int, p_dag text, p_hash text,
                                       p_canonical text, p_bundle_hash text, p_task_count int)
returns {schema}.dag_version language plpgsql as $$
declare
  found_row {schema}.dag_version;
begin
  for i in 1 .. 100 loop
    select * into found_row from {schema}.dag_version v
     where v.namespace_id = p_namespace and v.dag_name = p_dag and v.hash = p_hash;
    if found then
      return found_row;
    end if;
    insert into {schema}.dag_version
           (namespace_id, dag_name, number, hash, canonical, description, bundle_hash, task_count,
            created_us)
    select p_namespace, p_dag, coalesce(max(v.number), 0) + 1, p_hash, p_canonical,
           {schema}.description_1(p_canonical), p_bundle_hash, p_task_count, {schema}.now_us()
      from {schema}.dag_version v where v.namespace_id = p_namespace and v.dag_name = p_dag
    on conflict do nothing
    returning * into found_row;
    if found then
      return found_row;
    end if;
  end loop;
  raise exception 'too many versions of % at once', p_dag using errcode = 'lock_not_available';
end $$;

create function {schema}.delete_task_rows_1(p_number int, p_runs bigint[]) returns void
language plpgsql as $$
declare
  low bigint := p_number::bigint << 40;
  high bigint := (p_number::bigint + 1) << 40;
begin
  delete from {schema}.task_instance where run_id = any(p_runs) and run_id >= low and run_id < high;
  delete from {schema}.task_attempt where run_id = any(p_runs) and run_id >= low and run_id < high;
  delete from {schema}.task_output where run_id = any(p_runs) and run_id >= low and run_id < high;
end $$;

-- Drops a closed partition in which no run is left. False when there is one after all.
create function {schema}.drop_partition_1(p_number int) returns boolean language plpgsql as $$
declare
  parent text;
begin
  perform from {schema}.partition where number = p_number and closed_us is not null for update;
  if not found
     or exists (select from {schema}.domain where id_partition = p_number)
     or exists (select from {schema}.run where id >= p_number::bigint << 40
                   and id < (p_number::bigint + 1) << 40) then
    return false;
  end if;
  foreach parent in array array['task_instance', 'task_attempt', 'task_output'] loop
    execute format('drop table if exists {schema}.%I', parent || '_p' || p_number);
  end loop;
  delete from {schema}.partition where number = p_number;
  return true;
end $$;
