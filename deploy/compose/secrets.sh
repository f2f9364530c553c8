#!/usr/bin/env bash
# Makes the secrets of compose.yaml once: random, and readable by the containers' users only through Docker.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p secrets
random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
for name in postgres_password cds_journal_key grafana_password; do
    [ -s "secrets/$name" ] || random > "secrets/$name"
done
printf 'postgresql://thirdline:%s@postgres:5432/thirdline' "$(cat secrets/postgres_password)" > secrets/cds_journal
echo "made $(pwd)/secrets; keep it out of version control, and back up cds_journal_key with the database"
