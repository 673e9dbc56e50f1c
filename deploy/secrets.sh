#!/bin/sh
# Makes all secrets of one installation in a new folder: passwords and tokens (env), the hashes of the passwords for
# Redis (users.acl), and certificates for Redis (ca.crt, server.crt, server.key). ca-certificates.crt is ca.crt with the
# certificates that this system trusts, for a runtime that must also reach other servers.
#
#   deploy/secrets.sh FOLDER [NAME...]     host names of Redis; localhost is always one
#
# Access to the folder is access to everything. ca.key signs certificates for further servers: keep it elsewhere.
set -eu
umask 077
here=$(dirname "$0")

[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64; }
folder=$1
shift
[ ! -e "$folder" ] || { echo "$folder exists, and its secrets may be in use; choose another folder" >&2; exit 1; }
command -v openssl >/dev/null || { echo "openssl is missing; it makes the secrets" >&2; exit 1; }
mkdir -p "$folder"

acl=$(cat "$here/redis/users.acl")
for name in OPERATOR STORE WAREHOUSE SIDECAR; do
    password=$(openssl rand -hex 32)
    user=$(echo $name | tr A-Z a-z)
    # The password alone, and with the user in the form of Spin's variables.
    echo "${name}_REDIS_PASSWORD=$password" >>"$folder/env"
    echo "${name}_REDIS_AUTH=$user:$password@" >>"$folder/env"
    hash=$(printf %s "$password" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
    acl=$(printf '%s\n' "$acl" | sed "s/#${name}_REDIS_PASSWORD/#$hash/")
done
echo "DELIVERY_SECRET=$(openssl rand -hex 32)" >>"$folder/env"
echo "API_TOKEN=$(openssl rand -hex 32)" >>"$folder/env"
printf '%s\n' "$acl" >"$folder/users.acl"

names=DNS:localhost,IP:127.0.0.1
for name; do names=$names,DNS:$name; done
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $key -days 3650 -subj "/CN=Redis of the store and the warehouse" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
    -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
openssl req $key -subj /CN=redis -keyout "$folder/server.key" -out "$folder/server.csr" 2>/dev/null
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$names" >"$folder/server.ext"
openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days 825 \
    -extfile "$folder/server.ext" -out "$folder/server.crt" 2>/dev/null
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ ! -r "$bundle" ] || { cat "$bundle" >"$folder/ca-certificates.crt"; break; }
done
cat "$folder/ca.crt" >>"$folder/ca-certificates.crt"
rm "$folder/server.csr" "$folder/server.ext" "$folder/ca.srl"
# Redis and the sidecar, which run as other users, get these as single files. The folder itself is closed to others.
chmod 644 "$folder/ca.crt" "$folder/ca-certificates.crt" "$folder/server.crt" "$folder/server.key" "$folder/users.acl"
echo "made $folder: env, users.acl, ca.crt, ca.key, ca-certificates.crt, server.crt, server.key"
