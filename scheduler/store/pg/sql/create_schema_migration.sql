create table if not exists {schema}.schema_migration (
  name text primary key, applied_at timestamptz not null default now())
