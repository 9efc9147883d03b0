#!/bin/sh
# layers.sh [BUILD]: rules of the source tree that no compiler checks. With a build folder also those that show in the object
# files; `layers.sh --objects BUILD` checks these alone (for a second build with other flags). A line a rule, the offending
# places below it; exit 1 if a rule is broken.
set -u
export LC_ALL=C
sources_too=1
if [ "${1-}" = --objects ]; then
    sources_too=0
    shift
fi
build=${1:+$(cd "$1" && pwd)}
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Ends the script by what its rules found. They stand behind pipes, where variables of their own would be lost.
finish() {
    [ -e "$work/broken" ] && exit 1
    exit 0
}

# rule NAME: reads the offending places from stdin; none: the rule holds.
rule() {
    cat >"$work/places"
    if [ -s "$work/places" ]; then
        echo "FAIL: layers: $1"
        head -n 40 "$work/places" | sed 's/^/    /'
        : >"$work/broken"
    else
        echo "PASS: layers: $1"
    fi
}

files_in() { find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.inl' -o -name '*.def' \) 2>/dev/null | sort; }

# Each file's code with comments taken away, and with them the contents of strings unless $keep is 1; FILE:LINE: before each line.
# shellcheck disable=SC2016 # $0 is awk's
code() {
    xargs awk -v keep="${keep:-0}" '
        FNR == 1 { comment = 0 }
        {
            line = $0; out = ""; quote = ""
            for (i = 1; i <= length(line); i++) {
                c = substr(line, i, 1); two = substr(line, i, 2)
                if (comment) { if (two == "*/") { comment = 0; i++ } }
                else if (quote != "") {
                    if (c == "\\") { if (keep) out = out two; i++ }
                    else if (c == quote) { quote = ""; out = out c }
                    else if (keep) out = out c
                }
                else if (two == "/*") { comment = 1; i++ }
                else if (two == "//") break
                else { if (c == "\"" || c == "\047") quote = c; out = out c }
            }
            if (out ~ /[^ ]/) print FILENAME ":" FNR ": " out
        }'
}

if [ $sources_too = 1 ]; then
    files_in tensor ops backends models >"$work/library"
    files_in tensor ops backends models tools tests >"$work/all"

    # ---- include direction: a file sees its own folder and those to its left; a tool sees the public headers ----
    xargs grep -n '^ *# *include *"' <"$work/library" /dev/null | awk -F: '
        BEGIN { n = split("tensor ops backends models tools tests docs", order, " "); for (i = 1; i <= n; i++) rank[order[i]] = i }
        {
            split($1, from, "/"); path = $3; sub(/^[^"]*"/, "", path); sub(/".*/, "", path); split(path, to, "/")
            if (path ~ /\.\.\//) print $0 "   (leaves its folder by ..)"
            else if (to[1] in rank && rank[to[1]] > rank[from[1]]) print $0 "   (" to[1] " lies to the right of " from[1] ")"
        }' | rule "a folder includes itself and those to its left: tensor <- ops <- backends <- models"

    files_in tools | xargs grep -n '^ *# *include *"' /dev/null | awk -F: '
        {
            path = $3; sub(/^[^"]*"/, "", path); sub(/".*/, "", path); split(path, to, "/")
            if (path ~ /^(tensor\/tensor|ops\/ops|backends\/backend|models\/model|tally\/tally|tally)\.h$/) next
            if (to[1] ~ /^(tensor|ops|backends|models|tests|\.\.)$/) print
        }' | rule "tools include public headers only"

    xargs grep -nE '^ *# *include *<(unistd|fcntl|pthread|sched|dlfcn|windows|signal|threads|cpuid|dirent|(sys|mach|linux|net)/[a-z_]*)\.?h?>' \
        <"$work/library" /dev/null | grep -vE '^tensor/platform[a-z_]*\.c:|^backends/cpu/level\.c:[0-9]*:.*<(cpuid|sys/auxv)\.h>' |
        rule "the system's headers are included in tensor/platform.c alone"

    # ---- size: 1,000 lines is the limit; tables are exempt ----
    : >"$work/long"
    while read -r file; do
        case $file in
        *.def | tests/cases*.c) continue ;;
        esac
        head -n 1 "$file" | grep -qi generated && continue
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 1000 ]; then
            echo "$file: $lines lines" >>"$work/long"
        elif [ "$lines" -gt 600 ]; then
            echo "note: $file has $((lines)) lines; more than 600 is a warning"
        fi
    done <"$work/all"
    rule "no file is longer than 1,000 lines" <"$work/long"

    # ---- the library neither ends the process, nor prints, nor depends on the locale ----
    word='(^|[^A-Za-z0-9_])'
    code <"$work/library" >"$work/code"
    grep -E "$word(abort|exit|_exit|_Exit|quick_exit|raise|longjmp) *\(" "$work/code" | rule "the library never ends the process"
    grep -E "$word(printf|vprintf|fprintf|vfprintf|dprintf|puts|fputs|putchar|putc|fputc|perror|syslog) *\(|$word(stdout|stderr)([^A-Za-z0-9_]|\$)" \
        "$work/code" | rule "the library prints nothing"
    grep -E "$word(sprintf|vsprintf|strtok|gets|strtod|strtof|strtold|atof|atoi|atol|setlocale|scanf|sscanf|fscanf|rand|srand|alloca) *\(" \
        "$work/code" | rule "the library calls nothing unbounded, locale dependent or global"
    grep -E '(^|[^A-Za-z0-9_>.])'"(malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign) *\(" "$work/code" | grep -v '^tensor/platform[a-z_]*\.c:' |
        rule "the library allocates through tl_alloc and its kin, so that every failure can be tested"
    keep=1 code <"$work/library" | grep -E '"[^"]*%[-+ #0-9.*]*[lL]?[aAeEfFgG][^"]*"' | rule "the library formats no floats (the locale would show)"
    keep=1 code <"$work/library" | grep -E '# *pragma +(STDC|GCC optimize|clang fp)|__attribute__ *\(\(.*optimize' |
        rule "no file changes the arithmetic's flags"

    grep -E "${word}atomic_(load|store|exchange|fetch_(add|sub|or|xor|and)|compare_exchange_(weak|strong)|flag_[a-z_]+) *\\(" "$work/code" |
        rule "every atomic operation names its memory order"
    grep -E "${word}volatile([^A-Za-z0-9_]|\$)" "$work/code" |
        grep -vE '__asm__ volatile|: +volatile (float|double) ' |
        rule "volatile keeps floats from the optimiser and does nothing else: threads meet in atomics"

    # ---- weights are applied by tl_apply, where bias, LoRA and stored scales live ----
    for file in models/*.c; do
        [ -f "$file" ] || continue
        grep -q '^tl_tensor \*tl_apply(' "$file" || echo "$file"
    done | code 2>/dev/null | grep -E "${word}tl_linear *\(" | rule "models apply weights by tl_apply, never by a bare tl_linear"

    # ---- text: no tabs, no trailing blanks, a newline at the end ----
    find . \( -name .git -o -name 'build*' -o -name seeds -o -name node_modules \) -prune -o -type f ! -name '*.gguf' -print >"$work/texts"
    tab=$(printf '\t')
    {
        xargs grep -nI "$tab" <"$work/texts" /dev/null | cut -c 1-100
        xargs grep -nI ' $' <"$work/texts" /dev/null | cut -c 1-100
        while read -r file; do
            [ -s "$file" ] && grep -qI . "$file" && [ -n "$(tail -c 1 "$file")" ] && echo "$file: no newline at the end"
        done <"$work/texts"
    } | rule "text files hold no tabs and no trailing blanks and end in a newline"
fi

# ---- object files ----
objects=
[ -n "$build" ] && objects=$(find "$build" -type d -name tally_objects.dir)
if [ -z "$objects" ]; then
    echo "SKIP: layers: the rules on object files: no build folder was given, or it holds no objects"
    finish
fi
# A deleted source leaves its object behind: only those with a source count.
find "$objects" -name '*.o' | sort | while read -r object; do
    source=${object#"$objects"/}
    [ -f "${source%.o}" ] && echo "$object"
done >"$work/objects"
case $(uname) in
Darwin) strip='s/^_//' ;; # Mach-O puts an underscore before each name
*) strip='' ;;
esac

if [ $sources_too = 1 ]; then
    xargs nm -g -A <"$work/objects" 2>/dev/null | sed "s|^$objects/||" >"$work/symbols"
    # FILE.o: [ADDRESS] KIND NAME
    awk '$(NF-1) != "U" && $(NF-1) != "w" { print $NF, $1 }' "$work/symbols" | sed "$strip" | grep -v '^tl_' | rule "every global symbol begins with tl_"
    awk '$(NF-1) == "U" { print $NF, $1 }' "$work/symbols" | sed "$strip" >"$work/used"
    grep -E '^(__)?(acos|asin|atan|atan2|acosh|asinh|atanh|cos|sin|sincos|tan|cosh|sinh|tanh|exp|exp2|exp10|expm1|log|log2|log10|log1p|logb|pow|cbrt|hypot|erf|erfc|tgamma|lgamma|gamma|fma|fmod|remainder|remquo|rint|nearbyint|lrint|llrint|round|lround|llround|roundeven|j0|j1|y0|y1)[fl]?(_finite)? ' \
        "$work/used" | rule "no result comes from libm (sqrt, floor and the like apart)"
    grep -E '^(abort|exit|_exit|_Exit|raise|printf|__printf_chk|puts|putchar|fprintf|__fprintf_chk|fputs|fputc|putc|perror|stdout|stderr|setlocale|strtod|strtof) ' \
        "$work/used" | rule "no object file refers to a function that ends the process or prints"
    if objdump --version 2>/dev/null | grep -q GNU; then
        # Constant tables that hold addresses lie in .data.rel.ro: writable for the loader only.
        grep -v '/tensor/platform_alloc\.c\.o$' "$work/objects" | xargs objdump -t | awk -v objects="$objects/" '
            / file format / { object = $1; sub(/:$/, "", object); object = substr(object, length(objects) + 1) }
            / O [.*]/ || / O \*COM\*/ {
                if ($0 !~ / O (\.rodata|\.data\.rel\.ro|\.lrodata|__)/) print object ": " $NF
            }' | rule "no variable outlives a call (the allocator's test hook in platform_alloc.c apart)"
    else
        echo "SKIP: layers: no variable outlives a call: GNU objdump is missing"
    fi
fi

# A disassembler for these objects: the system's, or that of a cross build.
disassembler=
for tool in objdump aarch64-linux-gnu-objdump llvm-objdump llvm-objdump-14; do
    if command -v $tool >/dev/null 2>&1 && $tool -d "$(head -n 1 "$work/objects")" >/dev/null 2>&1; then
        disassembler=$tool
        break
    fi
done
if [ -z "$disassembler" ]; then
    echo "SKIP: layers: no fused multiply-add outside the kernels: no objdump knows these objects"
    finish
fi
built=${build:+ (${build##*/})}

# instructions LIST PATTERN: FILE FUNCTION: INSTRUCTION of the first one in each function that the pattern finds.
instructions() {
    while read -r object; do
        $disassembler -d "$object" | awk -v object="${object#"$objects"/}" -v pattern="$2" '
            /^[0-9a-f]+ <.*>:$/ { name = $2 }
            $0 ~ pattern { if (!seen[name]++) print object ": " name " " $0 }'
    done <"$1"
}

# Fused multiply-adds round once where the reference rounds twice. Only kernels may use them, where the product is exact: they are
# listed by name.
fused='[ \t](vfn?m(add|sub|addsub|subadd)[0-9]*[sp][sdh]|fn?m(add|sub)|fml[as]l?2?|bfmlal[bt])[ \t]'
grep -v '/backends/cpu/isa/' "$work/objects" >"$work/plain"
grep '/backends/cpu/isa/scalar/' "$work/objects" >>"$work/plain"
instructions "$work/plain" "$fused" | rule "no fused multiply-add outside the kernels$built"
grep '/backends/cpu/isa/' "$work/objects" | grep -v '/isa/scalar/' >"$work/kernels"
instructions "$work/kernels" "$fused" |
    grep -vE ' <tl_(avx2|avxvnni|avx512|amx|neon(_dotprod|_i8mm)?)_((panel|stored|grouped)_q[45]_1|peak_exact|scores|values|dot_f16)>: ' |
    rule "kernels fuse only exact products: panels with a minimum, attention over f16, f16 weights (and a peak)$built"

# ARCHITECTURE.md, "Numerics", rule 1: approximate reciprocals and roots, arithmetic in bf16 or f16. Conversions of f16 are exact.
never='[ \t](v?rcp(14|28)?[sp]s|v?rsqrt(14|28)?[sp]s|v?dpbf16ps|vcvtn?e2?ps2?bf16|v(add|sub|mul|div|fn?m(add|sub)[0-9]*)[sp]h)[ \t]'
never="$never"'|[ \t](u?frecp[esx]|u?frsqrt[es]|urecpe|ursqrte|bf(dot|mmla|mlal[bt]?|cvt(n2?|nt)?))[ \t]'
never="$never"'|[ \t]f(add|sub|mul|mulx|div|ml[as]|n?m(add|sub)|sqrt|max|min|maxnm|minnm|abd)[ \t]+(h[0-9]|v[0-9]+\.[48]h)'
instructions "$work/objects" "$never" | rule "no approximate reciprocal, no arithmetic in bf16 or f16$built"

# A level may use what it asks the CPU for (backends/cpu/level.c) and no more, and what is no level nothing but the platform's least; unless
# the build or, on a Mac, the system asks for more. tzcnt is left out: on a CPU without it that is bsf, which compilers count on.
if [ "$(uname)" = Darwin ] || grep -qE '^CMAKE_C_FLAGS:[A-Z]*=.*-m(arch|cpu|avx)' "$build/CMakeCache.txt" 2>/dev/null; then
    echo "SKIP: layers: no instruction beyond a level: this build's compiler is asked for more$built"
    finish
fi
# beyond LEVEL PATTERN: places in the objects of a level; "plain" is what is no level, and scalar.
beyond() {
    case $1 in
    plain) cp "$work/plain" "$work/level" ;;
    *) grep "/backends/cpu/isa/$1/" "$work/objects" >"$work/level" ;;
    esac
    instructions "$work/level" "$2"
}
bits='[ \t](andn|bextr|bls(i|r|msk)|bzhi|mulx|pdep|pext|rorx|s[ah]rx|shlx|lzcnt|movbe|ad[co]x)[lq]?[ \t]'
wide='%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])|[{]evex[}]'
later='[ \t]v(perm[it]2b|permb|pmultishiftqb|pmadd52[lh]uq|pcompress[bw]|pexpand[bw]|psh[lr]dv?[wdq]|popcnt[bwdq]|pshufbitqmb|gf2p8[a-z]*|p2intersect[dq])[ \t]'
tiles='[ \t](tile[a-z0-9]+|ldtilecfg|sttilecfg|tdp[a-z0-9]+)([ \t]|$)'
atomics='[ \t](cas|swp|ld(add|clr|set|eor)|st(add|clr|set|eor))(a|l|al)?[bh]?[ \t]'
{
    beyond plain '[ \t]v[a-z0-9_]+ .*%[xyz]mm'"|$bits|$atomics"'|[ \t](s|u|us|su)dot[ \t]|[ \t](s|u|us)mmla[ \t]|[ \t]z[0-9]+[.]'
    beyond avx2 "$bits|$wide|[ \t]vpdp[bw][su]?s[su]?ds?[ \t]"
    beyond avxvnni "$bits|$wide"
    beyond avx512 "$bits|$later|$tiles"
    beyond amx "$bits|$later|[ \t](tdpbf16ps|tdpfp16ps|tcmm[a-z0-9]*)[ \t]"
    beyond neon "$atomics"'|[ \t](s|u|us|su)dot[ \t]|[ \t](s|u|us)mmla[ \t]|[ \t]z[0-9]+[.]'
    beyond neon_dotprod '[ \t](us|su)dot[ \t]|[ \t](s|u|us)mmla[ \t]|[ \t]z[0-9]+[.]'
    beyond neon_i8mm '[ \t]z[0-9]+[.]'
} | rule "no level uses an instruction beyond what it asks the CPU for$built"
finish
