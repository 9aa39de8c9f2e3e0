-- Who hands a domain over has done all that there was to do: nothing in it ends processes, and the
-- next load (+ 1) counts nothing.
update {schema}.domain set owner = 0, id_partition = null, loads_without_progress = -1
 where id = $1 and epoch = $2 returning id
