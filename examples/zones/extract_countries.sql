begin;
-- Both extracts may come first; "if not exists" alone does not make that safe.
select pg_advisory_xact_lock(hashtext(:'schema')) \g /dev/null
create schema if not exists :schema;
drop table if exists countries_in;
create table :schema.countries_in (alpha_2 text, alpha_3 text, number text, name text);
\copy countries_in from 'countries.csv' with (format csv)
commit;
