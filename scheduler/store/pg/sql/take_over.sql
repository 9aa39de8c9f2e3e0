-- $1 domain, $2 scheduler, $3 epoch that it has now.
select flush_seq, loads, {schema}.incarnation_1() from {schema}.take_over_1($1, $2, $3)
