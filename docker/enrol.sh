#!/bin/sh
# The demonstration's administrator, with the commands of docs/operations.md: who is trained on what, and the one-time
# codes, left where only the demonstration's desktop and people look. What was entered before stays.
set -eu
umask 027

once() { # WHAT NAME OPTIONS...: enters it unless it is there
  what=$1 name=$2
  shift 2
  pbx-bridge "$what" list --json | python3 -c 'import json, sys
found = json.load(sys.stdin)
sys.exit(sys.argv[1] not in str(found))' "$name" || pbx-bridge "$what" add "$name" "$@"
}

code() { # FOR COMMAND...: a one-time code, for 15 minutes
  name=$1
  shift
  pbx-bridge "$@" >"/stage/.$name"
  mv "/stage/.$name" "/stage/$name.invitation"
}

rm -f /stage/*.invitation
once application orders --executable "$(readlink -f /usr/bin/python3)" \
  --main-program /opt/people/programs/business_app.py --wm-class Orderdesk
once trainer bruno --review-minutes 600
once trainee alice --endpoint "$1" --login amartin
once plan alice-orders --trainee alice --application orders --need new-in-post --trainer bruno --approver carla \
  --recordings 5
# The demonstration's call is not left to the draw (P11).
pbx-bridge plan slot alice-orders --start "$(date +%Y-%m-%dT%H:%M)" --minutes 30 \
  || echo "enrol: no new slot; without one that holds now the call is left to the draw" >&2

people=$(pbx-bridge person list --json)
case $people in *'"carla"'*) ;; *) code carla person invite carla --role approver --role auditor ;; esac
case $people in *'"bruno"'*) ;; *) code bruno trainer invite bruno ;; esac
if ! python3 /usr/local/lib/pbx-bridge/healthy.py socket /stage/desk.sock 2>/dev/null; then
  pbx-bridge station revoke desk-1 2>/dev/null || true # a new container is a new machine
  code desk-1 station invite desk-1 --login amartin
fi
echo "enrol: alice is enrolled; the codes are on the stage"
