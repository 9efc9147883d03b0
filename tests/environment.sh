#!/bin/sh
# environment.sh BUILD [PROGRAM...]: runs test programs of the build folder BUILD (default: the whole suite) in surroundings that
# must not show in any result: a locale with a decimal comma; and, for the programs that compare bits alone (check_*), with the
# caller's denormals flushed and its rounding changed. JOBS (2) runs at a time, a line each; exit 1 if one failed.
# tests/environment.c enters the surroundings. Only with TALLY_TEST_LONG=1: each float mode apart, another rounding, and in the locale
# the programs that compare arithmetic for long and neither read nor write a number.
#
# environment.sh --one SURROUNDING PROGRAM: one of these runs.
set -u

if [ "$1" = --one ]; then
    case $2 in
    locale\ *) export TALLY_TEST_LOCALE="${2#* }" LC_ALL="${2#* }" ;;
    *) export TALLY_TEST_FLOAT="${2##* }" ;;
    esac
    log=$(mktemp) || exit 1
    if "$3" >"$log" 2>&1; then
        result=PASS
        said=
    else
        result=FAIL
        said=$(tail -n 20 "$log" | sed 's/^/    /')
    fi
    printf '%s: environment: %s, %s\n%s' "$result" "${3##*/}" "$2" "${said:+$said
}"
    rm -f "$log"
    [ $result = PASS ]
    exit
fi

build=$(cd "$1" && pwd) || exit 1
shift
self=$(cd "$(dirname "$0")" && pwd)/${0##*/}
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

[ $# -gt 0 ] || set -- "$build"/tests/check_* "$build"/tests/test_*

# runs SURROUNDING PROGRAM...: each program of the build in it, by two lines of $work/runs.
runs() {
    surrounding=$1
    shift
    for program in "$@"; do
        program=$build/tests/${program##*/}
        [ -f "$program" ] && [ -x "$program" ] && printf '%s\n%s\n' "$surrounding" "$program" >>"$work/runs"
    done
}

case $(uname -m) in
x86_64 | amd64 | aarch64 | arm64)
    for mode in flush-up ${TALLY_TEST_LONG:+flush up zero}; do
        for program in "$@"; do
            case ${program##*/} in
            check_*) runs "float mode $mode" "$program" ;;
            esac
        done
    done
    ;;
*) echo "SKIP: environment: float modes: not known for $(uname -m)" ;;
esac

# A system without such a locale may have its source: then one is compiled for the run.
comma=$(locale -a 2>/dev/null | grep -iE '^(de_DE|fr_FR|es_ES|nl_NL|it_IT|pl_PL)(\.|$)' | grep -i 'utf' | head -n 1)
if [ -z "$comma" ] && localedef -i de_DE -f UTF-8 "$work/de_DE.UTF-8" >/dev/null 2>&1; then
    LOCPATH=$work
    export LOCPATH
    comma=de_DE.UTF-8
fi
if [ -n "$comma" ]; then
    for program in "$@"; do
        case ${program##*/} in
        check_* | test_reference | test_mutants*) [ -n "${TALLY_TEST_LONG-}" ] || continue ;;
        esac
        runs "locale $comma" "$program"
    done
else
    echo "SKIP: environment: a locale with a decimal comma: this system has none (Debian: apt install locales)"
fi

tr '\n' '\0' <"$work/runs" | xargs -0 -n 2 -P "${JOBS:-2}" sh "$self" --one
