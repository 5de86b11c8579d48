#!/bin/sh
# Claims, renews and releases with nothing but mosquitto's command-line clients: any language with an MQTT library
# can do the same. One client listens to the agent's answers; every request is a line published by another.
#
#   claim.sh HOST PORT AGENT CLAIM PATH
#
# On a hub with tokens put the token into HOLDFAST_TOKEN.
set -eu
host=$1 port=$2 agent=$3 claim=$4 path=$5

work=$(mktemp -d)
trap 'kill "$listener" 2>/dev/null || true; rm -rf "$work"' EXIT
listener=

# The clients read user and password from files, so that no token stands among a command's arguments.
umask 077
for client in mosquitto_pub mosquitto_sub; do
  printf -- '-h %s\n-p %s\n-q 1\n-u %s\n' "$host" "$port" "$agent" >"$work/$client"
  if [ -n "${HOLDFAST_TOKEN:-}" ]; then printf -- '-P %s\n' "$HOLDFAST_TOKEN" >>"$work/$client"; fi
done
export XDG_CONFIG_HOME="$work"

mosquitto_sub -t "holdfast/$agent/response" >"$work/answers" &
listener=$!

# ask ID METHOD PARAMS: publishes a request and prints its answer. Asking again does no harm: the submission is the same.
ask() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    mosquitto_pub -t "holdfast/$agent/request" \
      -m "{\"jsonrpc\":\"2.0\",\"id\":\"$1\",\"method\":\"$2\",\"params\":$3}"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      if grep -m 1 "\"id\":\"$1\"" "$work/answers"; then return 0; fi
      sleep 0.1
    done
  done
  echo "no answer to $2" >&2
  return 1
}

# One visit's submissions are told apart from another's by this.
visit=$(date +%s)-$$

ask open session.open "{\"agent\":\"$agent\"}"
granted=$(ask claim claim.acquire "{\"claim\":\"$claim\",\"scope\":{\"paths\":[\"$path\"]},\"ttlMs\":60000,\"submission\":\"$visit-1\"}")
echo "$granted"
epoch=$(echo "$granted" | sed -n 's/.*"epoch":\([0-9]*\).*/\1/p')
if [ -z "$epoch" ]; then exit 2; fi
ask renew claim.renew "{\"claim\":\"$claim\",\"epoch\":$epoch,\"ttlMs\":120000,\"submission\":\"$visit-2\"}"
ask release claim.release "{\"claim\":\"$claim\",\"epoch\":$epoch,\"outcome\":\"done\",\"submission\":\"$visit-3\"}"
ask close session.close "{}"
