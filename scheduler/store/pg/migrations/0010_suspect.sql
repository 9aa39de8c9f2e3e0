-- What the owner is about to apply in careful mode: whoever takes over after its death knows by it
-- at what it died. '' = nothing.
alter table {schema}.domain add column suspect text not null default '';
