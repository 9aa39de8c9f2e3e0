\echo The countries with the most time zones:
select c.name as country, count(*) as zones,
       min(z.zone collate "C") as first_zone,
       round(max(z.longitude) - min(z.longitude)) as degrees_apart
  from public.countries c
  join public.zones z using (alpha_2)
 group by c.alpha_2, c.name
 order by count(*) desc, c.name
 limit 10;
