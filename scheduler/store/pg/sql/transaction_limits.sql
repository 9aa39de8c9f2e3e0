-- $1 lock_timeout, $2 statement_timeout, in milliseconds; for this transaction.
select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
       set_config('jit', 'off', true), set_config('enable_seqscan', $3, true)
