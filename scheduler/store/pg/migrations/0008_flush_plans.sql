-- Planned once per connection. A flush of few rows costs less than the generic plan believes (it
-- takes generate_series for a thousand rows), so that every statement was planned again in every
-- small flush. Nothing is lost by it: no statement of the flush has a join that could go wrong.
alter function {schema}.flush_1(
    int, bigint, bigint, boolean, text[], text[], text[], text[], bigint[], bigint[], bigint[],
    bigint[], text[], text[], text[], text[], bigint[]) set plan_cache_mode = force_generic_plan;
