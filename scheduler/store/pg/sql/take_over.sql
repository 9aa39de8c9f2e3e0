-- $1 domain, $2 scheduler, $3 epoch that it has now, $4 last flush known to be committed.
select epoch, flush_seq, loads, {schema}.incarnation_1(), first_attempt, waits
  from {schema}.take_over_2($1, $2, $3, $4)
