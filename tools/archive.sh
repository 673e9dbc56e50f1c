#!/bin/sh
# Moves the store's closed orders to files: each page is written and on the disk before its orders are removed.
# Run it again after a failure: what was not removed is written again.
#
# Usage: tools/archive.sh URL OLDER_THAN_DAYS FOLDER
#   URL              of the app, such as http://127.0.0.1:3000
#   OLDER_THAN_DAYS  only orders that have not changed for so many days
#   FOLDER           where the files go, one NDJSON file for each page
# Environment: API_TOKEN, if the app has one; PAGE_LIMIT, orders for each page (1 to 200, 200 without it).
set -eu

if [ $# -ne 3 ]; then
    sed -n '5,9s/^# *//p' "$0" >&2
    exit 64
fi
url=$1
days=$2
folder=$3
limit=${PAGE_LIMIT:-200}
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From a file, so that no list of processes shows the token.
: > "$work/curlrc"
if [ -n "${API_TOKEN:-}" ]; then
    (umask 077; printf 'header = "Authorization: Bearer %s"\n' "$API_TOKEN" > "$work/curlrc")
fi

cursor=
moved=0
while :; do
    page="$folder/orders-$(date -u +%Y%m%dT%H%M%SZ)-$$-${cursor:-first}.ndjson"
    curl --silent --show-error --fail-with-body --dump-header "$work/head" --output "$page.part" \
        "$url/store/archive?older_than_days=$days&limit=$limit${cursor:+&cursor=$cursor}" || {
        cat "$page.part" >&2
        rm -f "$page.part"
        exit 1
    }
    cursor=$(tr -d '\r' < "$work/head" | sed -n 's/^[Nn]ext-[Cc]ursor: //p')
    if [ -s "$page.part" ]; then
        sync "$page.part"
        mv "$page.part" "$page"
        sync "$folder"
        ids=$(sed -n 's/^{"order":{"order_id":"\([^"]*\)".*/"\1"/p' "$page" | paste -sd, -)
        printf '{"older_than_days":%s,"order_ids":[%s]}' "$days" "$ids" |
            curl --silent --show-error --fail-with-body --config "$work/curlrc" --output "$work/answer" \
                --header 'Content-Type: application/json' --data-binary @- "$url/store/archive/remove" || {
            cat "$work/answer" >&2
            exit 1
        }
        moved=$((moved + $(wc -l < "$page")))
        echo "$page: $(cat "$work/answer")"
    else
        rm -f "$page.part"
    fi
    [ -n "$cursor" ] || break
done
echo "$moved orders are in $folder"
