-- For this transaction: $1 lock_timeout, $2 statement_timeout, both in milliseconds. A client that
-- stops in between must not hold locks for long. Indexes only: a plan that was made while a table
-- was small must not be kept as a scan of it.
select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
       set_config('idle_in_transaction_session_timeout', '5s', true),
       set_config('jit', 'off', true), set_config('enable_seqscan', 'off', true)
