#!/bin/sh
# A business application in a terminal: a counter in the upper left corner, for the capture tests.
count=0
while :; do
    count=$((count + 1))
    printf '\033[1;1H%d' "$count"
    sleep 0.05
done
