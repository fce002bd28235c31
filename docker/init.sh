#!/bin/sh
# Once before the PBX and the bridge start: makes their secrets, and the PBX's configuration from the site's files and
# pbx-bridge's. Runs as the bridge's user with the PBX's group. Secrets that are there stay; the rest is laid out anew.
#   init.sh asterisk|freeswitch
set -eu
umask 027
pbx=${1:?asterisk or freeswitch}
share=/usr/share/pbx-bridge
secrets=/etc/pbx-bridge/secrets

secret() { # NAME: its secret, made when there is none
  [ -s "$secrets/$1.secret" ] || (
    umask 077
    python3 -c 'import secrets; print(secrets.token_urlsafe(24))' >"$secrets/.$1"
    mv "$secrets/.$1" "$secrets/$1.secret"
  )
  cat "$secrets/$1.secret"
}

with_secret() { # NAME FILE: pbx-bridge's file for the PBX, with that secret in it
  value=$(secret "$1")
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *CHANGE-ME*) line=${line%%CHANGE-ME*}$value${line#*CHANGE-ME} ;; esac
    printf '%s\n' "$line"
  done <"$share/dialplan/$pbx/$2"
}

find /etc/pbx -mindepth 1 -delete
cp -R /site/. /etc/pbx/
mkdir -p /etc/pbx/pbxb /etc/pbx/sounds /etc/pbx/moh
case $pbx in
  asterisk)
    cp "$share"/dialplan/asterisk/extensions_pbxb.conf "$share"/dialplan/asterisk/features_pbxb.conf /etc/pbx/pbxb/
    with_secret ami manager_pbxb.conf >/etc/pbx/pbxb/manager_pbxb.conf
    with_secret ari ari_pbxb.conf >/etc/pbx/pbxb/ari_pbxb.conf
    ;;
  freeswitch)
    cp "$share/dialplan/freeswitch/pbxb.xml" /etc/pbx/pbxb/
    with_secret esl event_socket.conf.xml >/etc/pbx/autoload_configs/event_socket.conf.xml
    # For fs_cli with this folder as its HOME: a password among its words could be read in the list of processes.
    printf '[default]\npassword => %s\n' "$(secret esl)" >/etc/pbx/.fs_cli_conf
    ln -s . /etc/pbx/sounds/pbxb
    ;;
  *) echo "init: there is no PBX '$pbx' here" >&2 && exit 2 ;;
esac
# The site's own sounds come first.
cp -n "$share"/sounds/* /etc/pbx/sounds/
cp -n "$share"/moh/* /etc/pbx/moh/
echo "init: secrets and the configuration of $pbx are there"
