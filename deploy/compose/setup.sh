#!/bin/sh
# Two authorities and what they sign, valid 30 days, and directories that the services may write.
# The authorities' keys are not kept: to have new certificates, remove the volumes.
set -eu
umask 077

# authority NAME
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -keyout "$work/$1-ca.key" -out "$work/$1-ca.pem" -subj "/CN=Tidegate trial, $1" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" 2>/dev/null
}

# issue AUTHORITY NAME SUBJECT-ALTERNATIVE-NAMES USAGE FILE
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$5.key" -out "$work/request" -subj "/CN=$2" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$3" "$4" >"$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$work/$1-ca.pem" -CAkey "$work/$1-ca.key" \
        -CAcreateserial -days 30 -extfile "$work/extensions" -out "$5.pem" 2>/dev/null
}

# The last that is written: without it everything is made anew.
if [ ! -s /setup/etcd-certs/done ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    authority etcd
    authority client
    here="DNS:localhost,IP:127.0.0.1"
    issue etcd etcd "DNS:etcd-0,DNS:etcd-1,DNS:etcd-2,$here" serverAuth,clientAuth /setup/etcd-certs/etcd
    issue etcd gateway "DNS:gateway" clientAuth /setup/gateway-certs/etcd-client
    issue client gateway "DNS:gateway-1,DNS:gateway-2,DNS:gateway-3,$here" serverAuth /setup/gateway-certs/gateway
    issue client platform "DNS:platform.internal" clientAuth /client/client
    cp "$work/etcd-ca.pem" /setup/etcd-certs/ca.pem
    cp "$work/etcd-ca.pem" /setup/gateway-certs/etcd-ca.pem
    cp "$work/client-ca.pem" /setup/gateway-certs/client-ca.pem
    cp "$work/client-ca.pem" /client/ca.pem
    # A trial's: whoever runs curl on the host is not known here.
    chmod 0644 /client/ca.pem /client/client.pem /client/client.key
    echo done >/setup/etcd-certs/done
fi
chmod 0700 /setup/*
if [ "$(id -u)" = 0 ]; then
    chown -R 65532:65532 /setup/*
fi
