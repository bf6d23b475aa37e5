#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Our way of a log beside ripgrep's, on the same file with the same patterns, in turns.
#
#   test/bench/scan.sh BUILD_DIRECTORY [MEGABYTES [ROUNDS [FOLDER]]]
#
# Prints each round, whether both counted the same lines, and the median of the ratios: below one, we
# are the faster. ripgrep only counts matching lines; we also count all lines and date the severe ones.

set -euo pipefail

[ $# -ge 1 ] || {
        echo 'usage: test/bench/scan.sh BUILD_DIRECTORY [MEGABYTES [ROUNDS [FOLDER]]]' >&2
        exit 2
}

bench=$1/test/bench/bench_scan
megabytes=${2:-1024}
# A look whether it still runs, not a measurement.
[ "${BENCH_SMOKE:-}" != 1 ] || megabytes=128
rounds=${3:-5}
folder=$(mktemp -d "${4:-${TMPDIR:-/tmp}}/bench-scan-XXXXXX")
trap 'rm -rf "$folder"' EXIT
file=$folder/trading.log

export TZ=UTC LC_ALL=C
"$bench" make "$file" "$megabytes"
cat "$file" > /dev/null

patterns=(-e CRITICAL -e Traceback -e 'ERROR.*Connection lost' -e 'ERROR.*API rate limit' -e SystemExit
        -e KeyboardInterrupt)

now_ms() { echo $(($(date +%s%N) / 1000000)); }

ratios=
for ((i = 1; i <= rounds; i++)); do
        begin=$(now_ms)
        ours=$("$bench" "$file")
        ours_ms=$(($(now_ms) - begin))
        begin=$(now_ms)
        theirs_count=$(rg -c "${patterns[@]}" "$file")
        theirs_ms=$(($(now_ms) - begin))
        ours_count=$(sed 's/.*severe=\([0-9]*\).*/\1/' <<< "$ours")
        [ "$ours_count" = "$theirs_count" ] || {
                echo "we counted $ours_count lines, ripgrep $theirs_count" >&2
                exit 1
        }
        ratio=$(awk -v a="$ours_ms" -v b="$theirs_ms" 'BEGIN { printf "%.2f", a / b }')
        echo "round $i: $ours; whole process: we ${ours_ms} ms, rg ${theirs_ms} ms; ratio $ratio"
        ratios+="$ratio"$'\n'
done

echo "median ratio: $(printf '%s' "$ratios" | sort -n | sed -n "$(((rounds + 1) / 2))p")"
