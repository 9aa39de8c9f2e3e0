-- $1 domain, $2 epoch, $3 flush_seq in doubt or 0, $4 last flush known to be committed, $5 whether
-- this owner has waited for the leases of the life before.
select epoch, flush_seq, loads, {schema}.incarnation_1(), first_attempt, waits, committed
  from {schema}.reload_2($1, $2, $3, $4, $5)
