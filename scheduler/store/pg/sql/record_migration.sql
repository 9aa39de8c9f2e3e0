insert into {schema}.schema_migration (name) values ($1)
