#!/bin/sh
# Development certificates, valid 30 days; see README.md in this folder. Needs the openssl command.
set -eu
cd "$(dirname "$0")"
umask 077

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
  -keyout ca.key -out ca.pem -subj "/CN=Tidegate development authority" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"

# issue NAME SUBJECT-ALTERNATIVE-NAMES USAGE
issue() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"
  printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$2" "$3" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
    -extfile "$1.ext" -out "$1.pem"
  rm "$1.csr" "$1.ext"
}
issue gateway "DNS:localhost,IP:127.0.0.1" serverAuth
issue client "DNS:platform.internal" clientAuth
rm -f ca.srl
echo "written: ca.pem gateway.pem gateway.key client.pem client.key (ca.key signs more)"
