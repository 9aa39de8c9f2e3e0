-- Takes the liveness lock of scheduler $1 for as long as this connection lives.
select pg_try_advisory_lock(hashtextextended('{schema}', 0) # $1)
