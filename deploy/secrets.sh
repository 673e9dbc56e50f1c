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
# Half of the secrets are of no use: nothing is left when a command fails.
log=$(mktemp)
trap 'code=$?; rm -f "$log"; [ -e "$folder/made" ] || rm -rf "$folder"; rm -f "$folder/made"; exit $code' EXIT
trap 'exit 1' HUP INT TERM

# Runs openssl, and says what it says only when it fails.
ssl() {
    openssl "$@" 2>"$log" || { cat "$log" >&2; echo "openssl has failed, and nothing was made" >&2; exit 1; }
}

# A random secret as `secret`. Within another command's arguments the failure would go unnoticed.
make_secret() {
    secret=$(ssl rand -hex 32)
    [ ${#secret} -eq 64 ] || { echo "openssl made no secret of 32 bytes, and nothing was made" >&2; exit 1; }
}

acl=$(cat "$here/redis/users.acl")
for name in OPERATOR STORE WAREHOUSE SIDECAR; do
    make_secret
    password=$secret
    user=$(echo $name | tr A-Z a-z)
    # The password alone, and with the user in the form of Spin's variables.
    echo "${name}_REDIS_PASSWORD=$password" >>"$folder/env"
    echo "${name}_REDIS_AUTH=$user:$password@" >>"$folder/env"
    hash=$(printf %s "$password" | ssl dgst -sha256 -r)
    hash=${hash%% *}
    acl=$(printf '%s\n' "$acl" | sed "s/#${name}_REDIS_PASSWORD/#$hash/")
done
make_secret
echo "DELIVERY_SECRET=$secret" >>"$folder/env"
make_secret
echo "API_TOKEN=$secret" >>"$folder/env"
printf '%s\n' "$acl" >"$folder/users.acl"

names=DNS:localhost,IP:127.0.0.1
for name; do names=$names,DNS:$name; done
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
ssl req -x509 $key -days 3650 -subj "/CN=Redis of the store and the warehouse" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
    -keyout "$folder/ca.key" -out "$folder/ca.crt"
ssl req $key -subj /CN=redis -keyout "$folder/server.key" -out "$folder/server.csr"
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$names" >"$folder/server.ext"
ssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days 825 \
    -extfile "$folder/server.ext" -out "$folder/server.crt"
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ ! -r "$bundle" ] || { cat "$bundle" >"$folder/ca-certificates.crt"; break; }
done
cat "$folder/ca.crt" >>"$folder/ca-certificates.crt"
rm "$folder/server.csr" "$folder/server.ext" "$folder/ca.srl"
# Redis and the sidecar, which run as other users, get these as single files. The folder itself is closed to others.
chmod 644 "$folder/ca.crt" "$folder/ca-certificates.crt" "$folder/server.crt" "$folder/server.key" "$folder/users.acl"
touch "$folder/made"
echo "made $folder: env, users.acl, ca.crt, ca.key, ca-certificates.crt, server.crt, server.key"
