insert into {schema}.namespace (name, domain_id, weight, created_us)
values ($1, $2, $3, {schema}.now_us()) on conflict on constraint namespace_name_key do nothing
returning id, name, domain_id, weight, created_us
