#!/bin/sh
# docs.sh BUILD: what the documentation says is so: generated parts are up to date, the README's program is the example and runs, every
# example runs, links and names of files lead somewhere, and the API reference is made without a warning. BUILD is a build folder with
# the library and the examples. A line a check.
# shellcheck disable=SC2317 # functions are called through check
set -u
export LC_ALL=C
build=$(cd "$1" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# check NAME COMMAND...: one countable line; what the command said where it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "PASS: docs: $name"
    else
        echo "FAIL: docs: $name"
        tail -n 40 "$work/log" | sed 's/^/    /'
        failed=1
    fi
}

pages='README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md'
for page in docs/*.md; do
    pages="$pages $page"
done

# ---- programs ---------------------------------------------------------------------------------------------------------------------

first_program() {
    awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md
}
readme_is_example() {
    first_program >"$work/readme.c"
    sed -n '/^\/\* README: begin \*\/$/,/^\/\* README: end \*\/$/p' tools/examples/first_graph.c | sed '1d;$d' | diff - "$work/readme.c" &&
        [ "$(wc -l <"$work/readme.c")" -le 25 ]
}
readme_compiles() {
    first_program >"$work/readme.c"
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -I "$build/include" -I "$build/include/tally" "$work/readme.c" "$build/libtally.a" -lpthread -lm \
        -o "$work/readme" && "$work/readme" >"$work/out" && printf '8 24\n8 33\n' | diff - "$work/out"
}
prints() {
    "$1" >"$work/out"
    code=$?
    cat "$work/out"
    [ "$code" -eq 0 ] && [ -s "$work/out" ]
}

check "the README's first graph is tools/examples/first_graph.c, in 25 lines at most" readme_is_example
check "the README's first graph compiles and prints what it says" readme_compiles
for example in tools/examples/*.c; do
    name=$(basename "$example" .c)
    check "example $name runs, prints and ends with 0" prints "$build/example_$name"
done

# ---- words --------------------------------------------------------------------------------------------------------------------------

# Relative links of a page: [text](target), without its #heading.
# shellcheck disable=SC2094 # the pages are only read
links_lead_somewhere() {
    for page in $pages; do
        tr '\n' ' ' <"$page" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//' | while read -r target; do
            case $target in
            http*) continue ;;
            '#'*) file=$page ;;
            *) file=$(dirname "$page")/${target%%#*} ;;
            esac
            [ -e "$file" ] || echo "$page: $target is not there"
            case $target in
            *'#'*)
                anchor=${target#*#}
                sed -n 's/^##* //p' "$file" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-' | grep -qx -- "$anchor" || echo "$page: $target: no such heading"
                ;;
            esac
        done
    done >"$work/broken"
    cat "$work/broken"
    [ ! -s "$work/broken" ]
}
# Files named in backquotes, as `tensor/plan.c`, and headings that the sources refer to.
names_exist() {
    {
        for page in $pages; do
            # shellcheck disable=SC2016 # backquotes are markdown's
            grep -oE '`(tensor|ops|backends|models|tools|tests|docs)/[A-Za-z0-9_./-]*`' "$page" | tr -d '`' | while read -r file; do
                case $file in
                *NAME* | *LEVEL* | *FAMILY*) continue ;; # of the reader's choice
                esac
                [ -e "$file" ] || echo "$page: $file is not there"
            done
        done
        grep -rhoE 'ARCHITECTURE\.md, "[^"]*"' tensor ops backends models tools tests | sort -u | sed 's/.*"\(.*\)"/\1/' | while read -r heading; do
            grep -qx "##* $heading" ARCHITECTURE.md || echo "ARCHITECTURE.md has no heading '$heading'"
        done
    } >"$work/missing"
    cat "$work/missing"
    [ ! -s "$work/missing" ]
}
reference() {
    (cat docs/Doxyfile && echo "OUTPUT_DIRECTORY = $work/api" && echo "WARN_AS_ERROR = FAIL_ON_WARNINGS") | doxygen - || return 1
    # The comments must have come through: one above a declaration, one beside a member, one for a group.
    for text in 'What tl_plan_new would allocate' 'stopped on request' 'NumPy rules'; do
        grep -rqF "$text" "$work/api/html" || {
            echo "the pages lack '$text'"
            return 1
        }
    done
}

check "generated parts are up to date (else: tools/gen-docs)" tools/gen-docs --check
check "links lead to files and headings" links_lead_somewhere
check "files and headings that are named exist" names_exist
if command -v doxygen >/dev/null 2>&1; then
    check "the API reference is made without a warning" reference
else
    echo "SKIP: docs: the API reference: doxygen is not installed"
fi
exit $failed
