#!/bin/sh
# The zone table of the tz database, one row for each pair of country and zone, with the position
# of the zone's main city in degrees.
set -eu
awk -F '\t' '
  # +DDMM, +DDDMM, +DDMMSS or +DDDMMSS; `digits` are those of the degrees.
  function degrees(text, digits,   value) {
    value = substr(text, 2, digits) + substr(text, 2 + digits, 2) / 60
    value += substr(text, 4 + digits, 2) / 3600
    return substr(text, 1, 1) == "-" ? -value : value
  }
  /^#/ || NF < 3 { next }
  {
    split_at = match(substr($2, 2), /[-+]/) + 1
    latitude = degrees(substr($2, 1, split_at - 1), 2)
    longitude = degrees(substr($2, split_at), 3)
    count = split($1, countries, ",")
    for (i = 1; i <= count; ++i) {
      printf "%s\t%s\t%.4f\t%.4f\n", countries[i], $3, latitude, longitude
    }
  }' "$SOURCE" >zones.tsv
./sql.sh extract_zones.sql
rows=$(wc -l <zones.tsv)
echo "rows=$rows" >>"$PENSTOCK_OUTPUT"
echo "read $rows pairs of country and zone from $SOURCE"
