#!/usr/bin/env bash
# Fuzzes huntbook-kql: fuzz/run.sh parser|binder SECONDS
#
# Needs a C++ compiler for libFuzzer, no nightly and no cargo-fuzz: the coverage passes are in stable rustc. The build
# uses the normal target folder and rebuilds only huntbook-kql; it stops if cargo would build polars again.
set -euo pipefail
target=${1:?parser or binder}
seconds=${2:?seconds}
case $target in parser | binder) ;; *) echo "the targets are parser and binder, not $target" >&2; exit 2 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
export RUSTC_WORKSPACE_WRAPPER=$here/rustc.sh
build=(cargo build --workspace --locked --features huntbook-kql-fuzz/libfuzzer --bin "$target" --bin seeds)

# polars must come from the normal build; one that compiles here is told by its line, and ended by its group.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
set -m
"${build[@]}" >"$log" 2>&1 &
building=$!
set +m
while kill -0 "$building" 2>/dev/null; do
    if grep -q 'Compiling polars' "$log"; then
        kill -- "-$building"
        echo "cargo builds polars again: build the workspace first, with the same features" >&2
        exit 1
    fi
    sleep 1
done
wait "$building" || { cat "$log" >&2; exit 1; }
tail -n 1 "$log"

folder=${CARGO_TARGET_DIR:-target}
work=$folder/fuzz/$target
mkdir -p "$work/corpus" "$work/crashes"
"$folder/debug/seeds" "$work/corpus"
exec "$folder/debug/$target" "$work/corpus" -artifact_prefix="$work/crashes/" -max_total_time="$seconds" \
    -max_len=4096 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -dict="$here/kql.dict"
