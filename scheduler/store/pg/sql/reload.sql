-- $1 domain, $2 epoch, $3 flush_seq in doubt or 0.
select flush_seq, loads, {schema}.incarnation_1(), committed from {schema}.reload_1($1, $2, $3)
