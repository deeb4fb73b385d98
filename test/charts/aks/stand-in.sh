#!/usr/bin/env bash
# Stands in for the program whose name it has: passes on to stand-ins.ts how it was called, and gives back what that says.
# A script calls such programs a hundred times, and starting a Node each time would take most of a test.
exec 3<>"/dev/tcp/127.0.0.1/$STAND_IN_PORT"
printf '%s\0' "$#" "$STAND_IN_TENANT" "${0##*/}" "$@" >&3
IFS= read -r -d '' code <&3
IFS= read -r -d '' said <&3
IFS= read -r -d '' complaint <&3
printf %s "$said"
printf %s "$complaint" >&2
exit "$code"
