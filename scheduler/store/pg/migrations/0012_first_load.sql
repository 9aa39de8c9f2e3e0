-- The first load of a domain counts nothing against the work in it: nobody has ended there. So it is
-- after an owner that let go; see release_domain.sql.
alter table {schema}.domain alter column loads_without_progress set default -1;
update {schema}.domain set loads_without_progress = -1 where epoch = 0;
