-- $1 domain, $2 last flush known to be committed.
select {schema}.declare_loss_1($1, $2)
