-- A statement of its own: it must see what the former owner wrote while the takeover waited for it.
select suspect from {schema}.domain where id = $1
