select id, name, domain_id, weight, created_us from {schema}.namespace where name = $1
