#!/bin/sh
# The ISO 3166-1 country codes.
set -eu
jq -r '.["3166-1"][] | [.alpha_2, .alpha_3, .numeric, .common_name // .name] | @csv' "$SOURCE" \
  >countries.csv
./sql.sh extract_countries.sql
rows=$(wc -l <countries.csv)
echo "rows=$rows" >>"$PENSTOCK_OUTPUT"
echo "read $rows countries from $SOURCE"
