begin;
-- Both extracts may come first; "if not exists" alone does not make that safe.
select pg_advisory_xact_lock(hashtext(:'schema')) \g /dev/null
create schema if not exists :schema;
drop table if exists zones_in;
create table :schema.zones_in (alpha_2 text, zone text, latitude numeric, longitude numeric);
\copy zones_in from 'zones.tsv'
commit;
