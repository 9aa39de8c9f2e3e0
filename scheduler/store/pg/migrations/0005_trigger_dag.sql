-- Starts a run from SQL, inside the caller's own transaction: the owner of the namespace's domain
-- finds the request in its inbox once that transaction has committed. Returns the request's number.
-- Grant EXECUTE (and USAGE on the schema) to whoever may trigger DAGs.
create function {schema}.trigger_dag(
    namespace text, dag text, params jsonb default '{}', run_key text default null,
    idempotency_key text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target int;
  request bigint;
begin
  select n.domain_id into target from {schema}.namespace n where n.name = trigger_dag.namespace;
  if target is null then
    raise exception 'namespace "%" does not exist', trigger_dag.namespace
      using errcode = 'no_data_found';
  end if;
  if trigger_dag.dag is null or trigger_dag.dag = '' then
    raise exception 'a DAG has to be named' using errcode = 'invalid_parameter_value';
  end if;
  insert into {schema}.inbox (domain_id, method, payload, created_us)
  values (target, 'CreateRun',
          jsonb_strip_nulls(jsonb_build_object(
            'namespace', trigger_dag.namespace, 'dag', trigger_dag.dag,
            'paramsJson', trigger_dag.params::text, 'runKey', trigger_dag.run_key,
            'idempotencyKey', trigger_dag.idempotency_key))::text,
          {schema}.now_us())
  returning id into request;
  return request;
end $$;
revoke all on function {schema}.trigger_dag(text, text, jsonb, text, text) from public;
