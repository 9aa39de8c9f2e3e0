-- The terms in force: the first scheduler's settings, unless an administrator changed them.
update {schema}.settings
   set domain_term_ms = coalesce(domain_term_ms, $1),
       session_term_ms = coalesce(session_term_ms, $2),
       margin_ms = coalesce(margin_ms, $3)
returning domain_term_ms, session_term_ms, margin_ms
