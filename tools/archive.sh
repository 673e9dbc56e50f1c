#!/bin/sh
# Moves closed orders and their allocations to files. Each page is on disk before any of it is removed, and allocations
# are removed after their orders, so that no order can be fulfilled again.
# After a failure run it again: orders that were not removed are written again, allocations that are left are removed.
#
# Usage: tools/archive.sh URL OLDER_THAN_DAYS FOLDER
#   URL              of the app, such as http://127.0.0.1:3000
#   OLDER_THAN_DAYS  only orders that have not changed for this many days
#   FOLDER           for the files: for each page an NDJSON file of orders and one of allocations
# Environment: API_TOKEN, if the app has one; PAGE_LIMIT, orders in a page (1 to 200, by default 200).
set -eu

if [ $# -ne 3 ]; then
    sed -n '6,10s/^# *//p' "$0" >&2
    exit 64
fi
url=$1
days=$2
folder=$3
limit=${PAGE_LIMIT:-200}
mkdir -p "$folder"
work=$(mktemp -d)
page=
allocations=
trap 'rm -rf "$work" "$page.part" "$allocations.part"' EXIT

# In a file, so that the list of processes does not show the token.
: > "$work/curlrc"
if [ -n "${API_TOKEN:-}" ]; then
    (umask 077; printf 'header = "Authorization: Bearer %s"\n' "$API_TOKEN" > "$work/curlrc")
fi

# post PATH FILE: posts the standard input to a path, and writes the answer to a file.
post() {
    curl --silent --show-error --fail-with-body --config "$work/curlrc" --output "$2" \
        --header 'Content-Type: application/json' --data-binary @- "$url$1" || {
        cat "$2" >&2
        exit 1
    }
}

# remove_allocations FILE: removes the allocations of the orders in a file, then the file.
remove_allocations() {
    if [ -s "$1" ]; then
        printf '{"older_than_days":%s,"order_ids":[%s]}' "$days" "$(cat "$1")" |
            post /warehouse/archive/remove "$work/answer"
        echo "allocations: $(cat "$work/answer")"
    fi
    rm -f "$1"
}

# Left by a run that ended between the two removals.
for left in "$folder"/*.removed; do
    [ ! -e "$left" ] || remove_allocations "$left"
done

cursor=
moved=0
while :; do
    name="$(date -u +%Y%m%dT%H%M%SZ)-$$-${cursor:-first}"
    page="$folder/orders-$name.ndjson"
    allocations="$folder/allocations-$name.ndjson"
    curl --silent --show-error --fail-with-body --dump-header "$work/head" --output "$page.part" \
        "$url/store/archive?older_than_days=$days&limit=$limit${cursor:+&cursor=$cursor}" || {
        cat "$page.part" >&2
        exit 1
    }
    cursor=$(tr -d '\r' < "$work/head" | sed -n 's/^[Nn]ext-[Cc]ursor: //p')
    if [ -s "$page.part" ]; then
        ids=$(sed -n 's/^{"order":{"order_id":"\([^"]*\)".*/"\1"/p' "$page.part" | paste -sd, -)
        printf '{"order_ids":[%s]}' "$ids" | post /warehouse/archive/read "$allocations.part"
        sync "$page.part" "$allocations.part"
        mv "$allocations.part" "$allocations"
        mv "$page.part" "$page"
        sync "$folder"
        printf '{"older_than_days":%s,"order_ids":[%s]}' "$days" "$ids" | post /store/archive/remove "$work/answer"
        sed 's/^.*"removed":\[\([^]]*\)\].*$/\1/' "$work/answer" | tr -d '\n' > "$folder/$name.removed"
        sync "$folder/$name.removed" "$folder"
        moved=$((moved + $(wc -l < "$page")))
        echo "$page: $(cat "$work/answer")"
        remove_allocations "$folder/$name.removed"
    fi
    [ -n "$cursor" ] || break
done
echo "$moved orders are in $folder"
