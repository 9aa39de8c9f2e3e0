select name from {schema}.schema_migration
