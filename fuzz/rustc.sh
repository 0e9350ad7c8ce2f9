#!/usr/bin/env bash
# Called by cargo in place of rustc for the crates of this workspace: adds what cargo-fuzz would add,
# but only to the crates that are fuzzed, so that polars and all else are shared with normal builds.
rustc=$1
shift
crate=
previous=
for argument in "$@"; do
    [ "$previous" = --crate-name ] && crate=$argument
    previous=$argument
done
case $crate in
huntbook_kql | huntbook_kql_fuzz | parser | binder)
    exec "$rustc" "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
