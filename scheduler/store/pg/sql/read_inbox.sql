select id, method, payload from {schema}.inbox where domain_id = $1 order by id limit $2
