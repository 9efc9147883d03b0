#!/bin/sh
# modules.sh BUILD...: what the object files of WebAssembly builds may hold, by disassembly: of relaxed instructions the dot products
# and the multiply-add, which are the same everywhere for the operands they get, in the relaxed level alone; and that the level uses each.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0
for tool in llvm-objdump llvm-objdump-19 llvm-objdump-20 llvm-objdump-18; do
    "$tool" --version 2>/dev/null | grep -qE 'version (1[7-9]|[2-9][0-9])\.' && break
    tool=
done
if [ -z "$tool" ]; then
    echo "SKIP: wasm: no relaxed instruction but two: llvm-objdump (17 or later) is missing"
    exit 0
fi
check() { # check WHAT TEXT: nothing in TEXT is good
    if [ -z "$2" ]; then
        echo "PASS: wasm: $1"
    else
        echo "FAIL: wasm: $1"
        printf '%s\n' "$2" | head -n 20 | sed 's/^/    /'
        failed=1
    fi
}
for build in "$@"; do
    name=${build##*/}
    objects=$(find "$build/CMakeFiles/tally_objects.dir" -name '*.obj' -o -name '*.o')
    # Relaxed instructions are FD 80 02 to FD AF 02; objdump 19 does not name them. 93: i32x4.relaxed_dot_i8x16_i7x16_add_s,
    # 92: i16x8.relaxed_dot_i8x16_i7x16_s, 85: f32x4.relaxed_madd.
    found=$(for object in $objects; do
        "$tool" -d "$object" | grep -oE ': fd [89a][0-9a-f] 02 ' | sort | uniq -c | sed "s|^|${object#"$build/CMakeFiles/tally_objects.dir/"} |"
    done)
    check "$name: relaxed instructions are the dot products and madd, in backends/cpu/isa/relaxed" \
        "$(printf '%s\n' "$found" | grep -v '^$' | grep -vE '^backends/cpu/isa/relaxed/.*: fd (92|93|85) 02 ')"
    case $name in
    *relaxed*)
        for code in 92 93 85; do
            check "$name: the level uses FD $code 02" "$(printf '%s\n' "$found" | grep -q ": fd $code 02 " || echo 'it does not')"
        done
        ;;
    esac
done
exit $failed
