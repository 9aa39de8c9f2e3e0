-- Prints every check with its outcome, then fails if one does not hold. :zones and :countries are
-- what the extracts counted.
create temp table checks as
select 'all zones arrived' as "check", count(*) = :zones and count(*) > 300 as holds from zones_in
union all
select 'all countries arrived', count(*) = :countries and count(*) > 200 from countries_in
union all
select 'country codes are unique', count(*) = count(distinct alpha_2) from countries_in
union all
select 'positions are on earth',
       bool_and(latitude between -90 and 90 and longitude between -180 and 180) from zones_in
union all
select 'every zone has a known country', bool_and(c.alpha_2 is not null)
  from zones_in z left join countries_in c using (alpha_2);
select * from checks;
do $$
begin
  if exists (select from checks where holds is not true) then
    raise exception 'the sources are not as expected';
  end if;
end $$;
