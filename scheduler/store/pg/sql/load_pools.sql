select name, slots, description from {schema}.pool where domain_id = $1 order by name collate "C"
