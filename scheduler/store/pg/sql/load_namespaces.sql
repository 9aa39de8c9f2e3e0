select id, name, weight from {schema}.namespace where domain_id = $1 order by id
