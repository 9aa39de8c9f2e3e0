-- No row: the domain has another owner by now.
update {schema}.domain set suspect = $3 where id = $1 and epoch = $2 returning id
