with gone as (delete from {schema}.scheduler where id = $1)
update {schema}.domain set owner = 0, id_partition = null where owner = $1
