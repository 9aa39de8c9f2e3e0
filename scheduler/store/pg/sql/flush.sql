-- One durable step of a domain. False = the fence has moved on.
select {schema}.flush_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
