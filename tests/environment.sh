#!/bin/sh
# environment.sh BUILD [PROGRAM...]: runs test programs of the build folder BUILD (default: the whole suite) in surroundings that
# must not show in any result: a locale with a decimal comma; and, for the programs that compare bits alone (check_*), with the
# caller's denormals flushed and with its rounding changed. A line a run; exit 1 if one failed. tests/environment.c enters them.
set -u
build=$(cd "$1" && pwd) || exit 1
shift
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

[ $# -gt 0 ] || set -- "$build"/tests/test_* "$build"/tests/check_*

# under WHAT PROGRAM: one run; the caller has set the variables.
under() {
    name=${2##*/}
    [ -f "$build/tests/$name" ] && [ -x "$build/tests/$name" ] || return 0
    if "$build/tests/$name" >"$work/log" 2>&1; then
        echo "PASS: environment: $name, $1"
    else
        echo "FAIL: environment: $name, $1"
        tail -n 20 "$work/log" | sed 's/^/    /'
        failed=1
    fi
}

# A system without such a locale may have its source: then one is compiled for the run.
comma=$(locale -a 2>/dev/null | grep -iE '^(de_DE|fr_FR|es_ES|nl_NL|it_IT|pl_PL)(\.|$)' | grep -i 'utf' | head -n 1)
if [ -z "$comma" ] && localedef -i de_DE -f UTF-8 "$work/de_DE.UTF-8" >/dev/null 2>&1; then
    LOCPATH=$work
    export LOCPATH
    comma=de_DE.UTF-8
fi
if [ -n "$comma" ]; then
    for program in "$@"; do
        TALLY_TEST_LOCALE=$comma LC_ALL=$comma under "locale $comma" "$program"
    done
else
    echo "SKIP: environment: a locale with a decimal comma: this system has none (Debian: apt install locales)"
fi

case $(uname -m) in
x86_64 | amd64 | aarch64 | arm64)
    for program in "$@"; do
        case ${program##*/} in
        check_*) ;;
        *) continue ;;
        esac
        for mode in flush up zero; do
            TALLY_TEST_FLOAT=$mode under "float mode $mode" "$program"
        done
    done
    ;;
*) echo "SKIP: environment: float modes: not known for $(uname -m)" ;;
esac
exit $failed
