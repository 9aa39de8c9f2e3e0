select id, name, domain_id, weight, created_us from {schema}.namespace order by name collate "C"
