#!/bin/sh
# Dump the choir's database every night and keep the last dumps.
# Usage: nightly-dump.sh [-k COUNT] [-z] [-n]
#   -k COUNT  keep that many dumps (default 21)
#   -z        compress with xz instead of gzip
#   -n        print what would be removed, remove nothing

set -eu

TARGET=/var/backups/choir
KEEP=21
PACK=gzip
REMOVE="rm -f"

while getopts "k:zn" option; do
    case "$option" in
        k) KEEP=$OPTARG ;;
        z) PACK=xz ;;
        n) REMOVE="echo would remove" ;;
        *) exit 64 ;;
    esac
done

# A lock folder, because two dumps at once would read the tables in different states.
mkdir "$TARGET/.lock" || { echo "another dump is running" >&2; exit 75; }
trap 'rmdir "$TARGET/.lock"' EXIT

pg_dump --username=choirmaster choir | $PACK > "$TARGET/choir-$(date +%Y%m%d).sql"

ls -t "$TARGET"/choir-*.sql | tail -n +$((KEEP + 1)) | xargs -r $REMOVE
logger -t nightly-dump "kept $KEEP dumps in $TARGET"
