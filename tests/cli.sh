#!/bin/sh
# cli.sh: the command line tool as its users meet it: exit codes, what goes to stdout and to stderr, the message for each kind of bad
# input, JSON that parses, closed pipes, Ctrl-C, colours, variables of the environment, the man page. Prints a line PASS:, FAIL: or SKIP:
# for each check; exit 1 if one fails.
#
# TALLY_LLAMA names the tool. TALLY_TEST_DATA (a small model) or TALLY_DEMO_MODEL is needed for all that loads one.
set -u
export LC_ALL=C
llama=${TALLY_LLAMA:?cli.sh: TALLY_LLAMA does not name the tool}
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/out
err=$work/err
failed=0
unset LLAMA_ARG_MODEL LLAMA_ARG_CTX_SIZE LLAMA_ARG_THREADS LLAMA_ARG_N_PREDICT TALLY_BACKEND NO_COLOR OMP_NUM_THREADS

pass() { echo "PASS: cli: $1"; }
fail() {
    echo "FAIL: cli: $1"
    shift
    for line in "$@"; do echo "    $line"; done
    failed=1
}
# call ARGUMENTS...: runs the tool, stdin empty; sets code, $out and $err.
call() {
    "$llama" "$@" >"$out" 2>"$err" </dev/null
    code=$?
}
# verdict NAME TRUE: counts a check; TRUE is 0 where it holds.
verdict() {
    if [ "$2" -eq 0 ]; then
        pass "$1"
    else
        fail "$1" "exit $code" "stdout: $(head -c 200 "$out")" "stderr: $(head -c 300 "$err")"
    fi
}
# refused CODE TEXT ARGUMENTS...: ends with CODE, says TEXT on stderr, nothing on stdout.
refused() {
    want=$1 text=$2
    shift 2
    call "$@"
    [ "$code" -eq "$want" ] && [ ! -s "$out" ] && grep -qF -e "$text" "$err"
    verdict "$(echo "llama $*" | sed "s|$work/||g; s|${model:-no model}|MODEL|g"): exit $want, \"$text\"" $?
}
parses() { python3 -m json.tool "$1" >/dev/null 2>&1; }

# ---- without a model ----

model=
call --help
[ "$code" -eq 0 ] && grep -q '^usage: llama COMMAND' "$out" && grep -q 'Exit codes: 0 done' "$out" && [ ! -s "$err" ]
verdict "--help on stdout, exit 0" $?
call --version
[ "$code" -eq 0 ] && grep -q '^tally [0-9]*\.[0-9]*\.[0-9]*$' "$out" && [ ! -s "$err" ]
verdict "--version on stdout, exit 0" $?
call --list-devices
[ "$code" -eq 0 ] && grep -qx 'ref' "$out" && grep -qx 'cpu:isa=scalar' "$out"
verdict "--list-devices lists ref and cpu:isa=scalar" $?
for command in run chat info show tokenize bench verify gguf; do
    call $command --help
    [ "$code" -eq 0 ] && grep -q '^  -m, --model FILE' "$out" && [ ! -s "$err" ]
    verdict "$command --help on stdout, exit 0" $?
    cat "$out" >>"$work/help"
done

# Every option of every help text stands in the man page, and none there is unknown.
sed -n 's/^  \(-[^ ].*\)/\1/p' "$work/help" | sed 's/  .*//' | tr ', ' '\n' | sed -n 's/^\(-[a-z-]*\).*/\1/p' | sort -u >"$work/in_help"
sed 's/\\-/-/g; s/\\f[BR]/|/g' docs/llama.1 | tr '|' '\n' | sed -n 's/^\(--*[a-z][a-z-]*\)$/\1/p' | sort -u >"$work/in_page"
comm -3 "$work/in_help" "$work/in_page" >"$out"
: >"$err"
[ -s "$work/in_help" ] && [ ! -s "$out" ]
verdict "the man page lists every option, and no other" $?

refused 2 "no command"
refused 2 "is it 'run'?" rnu
refused 2 "neither a command nor a model file" frobnicate
refused 2 "no model: give -m FILE" run -p x
refused 2 "no model: give -m FILE" info
refused 2 "gguf wants dump or check first, not eat" gguf eat FILE
refused 2 "option --tmep is unknown; is it --temp?" run --tmep 1
refused 2 "option --xyzzy is unknown" run --xyzzy
refused 2 "option --temp is not one of 'llama bench'" bench --temp 1
refused 2 "-n wants a value: -n N" run -n
refused 2 "--json takes no value" run --json=1
refused 2 "uses no network" run -hf owner/repo:Q8_0
refused 2 "--grammar is not supported yet" run --grammar x
refused 2 "--context-shift is not supported yet" run --context-shift
refused 2 "--keep is not supported yet" run --keep 4
refused 2 "--lora is not supported yet" run --lora x
for bad in -3 1.5 12x '' ' 1' 0x10 99999999999999999999 nan inf +; do
    refused 2 "-n: '$bad' is not a whole number from -2 to 2147483647" run -m x -p x -n "$bad"
done
for bad in -1 nan inf 1e999 1x '' 0,8 -0.5; do
    refused 2 "--temp: '$bad' is not a number from 0 to" run -m x -p x --temp "$bad"
done
refused 2 "-c: '-1' is not" run -m x -p x -c -1
refused 2 "-t: '0' is not a whole number from 1 to 256" run -m x -p x -t 0
refused 2 "-t: '1000' is not a whole number from 1 to 256" run -m x -p x -t 1000
refused 2 "-b: '0' is not" run -m x -p x -b 0
refused 2 "-ub: '-4' is not" run -m x -p x -ub -4
refused 2 "--top-p: '1.01' is not a number from 0 to 1" run -m x -p x --top-p 1.01
refused 2 "--min-p: '-0.1' is not" run -m x -p x --min-p -0.1
refused 2 "--top-k: '-1' is not" run -m x -p x --top-k -1
refused 2 "--seed: '4294967296' is not a whole number from -1 to 4294967295" run -m x -p x --seed 4294967296
refused 2 "--repeat-penalty: '0' is not" run -m x -p x --repeat-penalty 0
refused 2 "-ctk: 'q8_0' is not one of: f16 f32" run -m x -p x -ctk q8_0
refused 2 "keys and values have one type" run -m x -p x -ctk f32 -ctv f16
refused 2 "the prompt is given more than once" run -m x -p x -f y
refused 2 "is one too many" run a.gguf b c
refused 2 "-q and -v: choose one" run -m x -p x -q -v
refused 2 "-o: 'xml' is not one of: md csv json jsonl sql" bench -m x -o xml
for bad in 1-x ',' 5-1 1--2 0-4*2 1-8*1 1-9999999 -4; do
    refused 2 "-p: '$bad' is not a list of numbers" bench -m x -p "$bad"
done
refused 2 "-p: '2-1' is not a list of numbers" bench -m x -p 1,2 -p 2-1
refused 2 "-pg: '5' is not PROMPT,GEN" bench -m x -pg 5
refused 2 "-pg: '0,5' is not PROMPT,GEN" bench -m x -pg 8,2 -pg 0,5
refused 2 "-d: '-1' is not a list of numbers" bench -m x -d -1
refused 2 "-t: '0' is not a list of numbers from 1 to 256" bench -m x -t 0
refused 2 "-ctk: 'q8_0' is not a list of f16, f32" bench -m x -ctk q8_0
refused 2 "keys and values have one type" bench -m x -ctk f32,f16 -ctv f32
refused 2 "--backend: 'ref,,cpu' is not a list" bench -m x --backend ref,,cpu
refused 2 "--delay: '-1' is not a number from 0" bench -m x --delay -1
refused 3 "cannot open '$work/none.gguf'" bench -m "$work/none.gguf" -o json
refused 2 "--op: 'linaer' is not an op that moves data; is it linear?" bench --op linaer
refused 2 "--op: 'reshape' is not an op that moves data" bench --ops --op reshape
refused 2 "--ops takes the shapes of one model; 2 are given" bench --ops a.gguf b.gguf
refused 3 "cannot open '$work/none.gguf'" bench --ops -m "$work/none.gguf"
call bench --op rope_angles -r 1
[ "$code" -eq 0 ] && grep -q '^shapes of TinyLlama 1.1B$' "$out" && grep -q '^| rope_angles .* 512 .* level scalar .*| compute *|$' "$out" &&
    grep -q '^cpu, level scalar, .*: peaks: memory read [0-9.]* GB/s' "$err"
verdict "bench --ops without a model: typical shapes, and the peaks on stderr" $?
refused 2 "nothing to measure" bench --op add,linear -p 0 -n 0
refused 2 "a part is empty" bench -m "$work/none.gguf," -p 1
refused 2 "-r: '0' is not" bench -m x -r 0
refused 2 "nothing to measure" bench -m x -p 0 -n 0
refused 2 "--profile: 'xml' is not one of: json" run -m x -p x --profile=xml
refused 3 "cannot open '$work/none.gguf'" run -m "$work/none.gguf" -p x
refused 1 "$work/none.txt: No such file" run -m x -f "$work/none.txt"
echo 'no model at all' >"$work/text.gguf"
refused 3 "not a GGUF file" info "$work/text.gguf"
refused 3 "not a GGUF file" gguf check "$work/text.gguf"

LLAMA_ARG_CTX_SIZE=many call run -m x -p x
[ "$code" -eq 2 ] && grep -q "LLAMA_ARG_CTX_SIZE: 'many' is not a whole number" "$err"
verdict "a bad value in a variable names the variable, exit 2" $?

# ---- with a model ----

small=${TALLY_TEST_DATA:+$TALLY_TEST_DATA/models/stories260K-f32.gguf}
[ -n "$small" ] && [ -f "$small" ] && model=$small
[ -n "$model" ] || model=${TALLY_DEMO_MODEL-}
if [ -z "$model" ]; then
    echo "SKIP: cli: all that loads a model: neither TALLY_TEST_DATA nor TALLY_DEMO_MODEL is set"
    exit $failed
fi
cp "$model" "$work/model.gguf" || exit 1 # a name that the checks below may put anywhere
model=$work/model.gguf

call run -m "$model" -p "Once upon a time" -n 12 --temp 0
cp "$out" "$work/first"
[ "$code" -eq 0 ] && [ -s "$out" ] && ! grep -q 'Once upon' "$out" && [ "$(tail -c 1 "$out" | od -An -tx1 | tr -d ' ')" != 0a ]
verdict "run: the continuation alone on stdout, no newline added in a pipe" $?
for word in '^seed ' '^load ' '^prompt .* t/s' '^generation .* 12 tokens .* t/s' '^memory '; do
    grep -q "$word" "$err"
    verdict "run: stderr has $word" $?
done
[ "$(tr -d '\33\r' <"$err" | wc -c)" -eq "$(wc -c <"$err")" ]
verdict "run: no colours and no progress where stderr is no terminal" $?
same() {
    name=$1
    shift
    call "$@"
    [ "$code" -eq 0 ] && cmp -s "$out" "$work/first"
    verdict "the same text: $name" $?
}
same "without a subcommand" -m "$model" -p "Once upon a time" -n 12 --temp 0
same "a model's name as first word" "$model" "Once upon a time" -n 12 --temp 0
same "ref" run -m "$model" -p "Once upon a time" -n 12 --temp 0 --backend ref
same "a bare level, 3 threads" run -m "$model" -p "Once upon a time" -n 12 --temp 0 --backend scalar -t 3
same "--no-pack, small batches" run -m "$model" -p "Once upon a time" -n 12 --temp 0 --no-pack -ub 2
same "--name=value" run "--model=$model" "--prompt=Once upon a time" --n-predict=12 --temperature=0
same "options that scripts carry" run -m "$model" -p "Once upon a time" -n 12 --temp 0 -ngl 99 -fa on --mlock --no-mmap --no-warmup -tb 2 \
    --no-context-shift --simple-io
same "escapes" run -m "$model" -p 'Once\x20upon a time' -n 12 --temp 0
grep -q 'ngl is ignored' "$err" && fail "the note on -ngl where it is not given"
call run -m "$model" -p x -n 1 -ngl 99 -q
[ "$code" -eq 0 ] && [ ! -s "$err" ]
verdict "-q: nothing on stderr" $?
call run -m "$model" -p x -n 1 -ngl 99
[ "$code" -eq 0 ] && [ "$(grep -c 'ngl is ignored' "$err")" -eq 1 ]
verdict "-ngl: one note" $?
printf 'Once upon a time\n' | "$llama" run -m "$model" -n 12 --temp 0 >"$out" 2>"$err"
code=$?
cmp -s "$out" "$work/first"
verdict "the prompt through a pipe, less its newline" $?
printf 'Once upon a time' >"$work/prompt"
same "-f FILE" run -m "$model" -f "$work/prompt" -n 12 --temp 0
same "-bf FILE" run -m "$model" -bf "$work/prompt" -n 12 --temp 0
[ -c /dev/zero ] && refused 1 "/dev/zero: the text is longer than 256 MiB" run -m "$model" -f /dev/zero -n 1
call run -m "$model" -p "Once upon a time" -n 12 --temp 0 --display-prompt
[ "$(cat "$out")" = "Once upon a time$(cat "$work/first")" ]
verdict "--display-prompt puts the prompt in front" $?
call run -m "$model" -p "Once upon a time" -n 20 --seed 7
cp "$out" "$work/seeded"
grep -q '^seed 7$' "$err"
verdict "the seed is printed" $?
call run -m "$model" -p "Once upon a time" -n 20 --seed 7
cmp -s "$out" "$work/seeded"
verdict "a seed gives the same text again" $?
word=$(cut -d ' ' -f 3 <"$work/first" | head -n 1)
call run -m "$model" -p "Once upon a time" -n 12 --temp 0 -r "$word"
[ -n "$word" ] && [ "$(tail -c ${#word} "$out")" = "$word" ] && [ "$(wc -c <"$out")" -le "$(wc -c <"$work/first")" ]
verdict "-r stops behind its text" $?
call run -m "$model" -p x -n 0
[ "$code" -eq 0 ] && [ ! -s "$out" ]
verdict "-n 0 makes nothing" $?
call run -m "$model" -p x -c 64 --ignore-eos
[ "$code" -eq 0 ] && grep -q 'the context is full (64 tokens): -c N' "$err"
verdict "-n -1 ends where the context is full, and says so" $?
long=$(printf 'word %.0s' $(seq 1 300))
refused 1 "the context holds 64: shorten it, or give -c" run -m "$model" -p "$long" -c 64
refused 2 "no prompt: give -p TEXT or -f FILE" run -m "$model"
refused 2 "--logit-bias: '5' is not ID+BIAS" run -m "$model" -p x -l 5
refused 2 "--logit-bias: '99999999+1' is not ID+BIAS" run -m "$model" -p x -l 99999999+1
refused 2 "backend 'abacus' is unknown; there are" run -m "$model" -p x --backend abacus
refused 2 "-sys belongs to a chat" run -m "$model" -p x -sys y

# starved KIB WHAT ADVICE ARGUMENTS...: with so little memory llama run ends with exit 4 and the advice.
starved() {
    kib=$1 what=$2 advice=$3
    shift 3
    (
        # shellcheck disable=SC3045 # where it is missing, the check is skipped
        ulimit -v "$kib" 2>/dev/null || exit 77
        "$llama" run "$@" >"$out" 2>"$err" </dev/null
    )
    code=$?
    if [ $code -eq 77 ]; then
        echo "SKIP: cli: too little memory for $what: ulimit -v does not work here"
    else
        [ "$code" -eq 4 ] && [ ! -s "$out" ] && grep -q -e "$advice" "$err"
        verdict "too little memory for $what: exit 4, and what to do" $?
    fi
}
starved 400000 "the context" 'a smaller context takes less memory: -c N' -m "$model" -p x -n 1 -c 8000000
[ -n "${TALLY_DEMO_MODEL-}" ] && starved 150000 "the weights" '^--no-pack leaves the weights in the file' -m "$TALLY_DEMO_MODEL" -p x -n 1 -t 1

LLAMA_ARG_MODEL=$model LLAMA_ARG_N_PREDICT=12 TALLY_BACKEND=scalar call run -p "Once upon a time" --temp 0 -v
cmp -s "$out" "$work/first" && grep -q 'level scalar' "$err"
verdict "variables: model, length, backend" $?
LLAMA_ARG_MODEL=/none LLAMA_ARG_N_PREDICT=1 TALLY_BACKEND=abacus call run -m "$model" -p "Once upon a time" --temp 0 -n 12 --backend scalar
cmp -s "$out" "$work/first"
verdict "an argument wins over a variable" $?
LLAMA_ARG_CACHE_TYPE_V=f32 LLAMA_LOG_VERBOSITY=1 call run -m "$model" -p "Once upon a time" --temp 0 -n 12 -ctk f16 -v
cmp -s "$out" "$work/first" && grep -q '^memory: ' "$err"
verdict "an argument wins over the variable of what it goes with: -ctk, -v" $?
echo chatml >"$work/template"
LLAMA_ARG_CHAT_TEMPLATE=nonesuch call chat -m "$model" --chat-template-file "$work/template" -st -p x -n 1
[ "$code" -eq 0 ]
verdict "an argument wins over the variable of what it excludes: --chat-template-file" $?
LLAMA_ARG_MODEL=$model call run -hf owner/repo -p x -n 1
[ "$code" -eq 2 ] && grep -q 'uses no network' "$err"
verdict "an argument wins over the variable of what it excludes: -hf" $?
OMP_NUM_THREADS=3 call run -m "$model" -p x -n 1 -v
grep -q '3 threads' "$err"
verdict "OMP_NUM_THREADS is a hint for threads" $?
OMP_NUM_THREADS=3 call run -m "$model" -p x -n 1 -v -t 1
grep -q '1 thread$' "$err"
verdict "-t wins over OMP_NUM_THREADS" $?

if [ -n "$small" ] && [ -f "$TALLY_TEST_DATA/vocab/ggml-vocab-gpt-2.gguf" ]; then
    call info "$TALLY_TEST_DATA/vocab/ggml-vocab-gpt-2.gguf"
    [ "$code" -eq 0 ] && grep -q '^architecture  gpt2' "$out" && ! grep -q '^rope' "$out"
    verdict "info: no rope where the file names none and its architecture is another" $?
fi

# ---- JSON ----

if command -v python3 >/dev/null 2>&1; then
    printf 'caf\303\251 \377 "\\ \1' >"$work/odd"
    json() {
        name=$1
        shift
        call "$@"
        [ "$code" -eq 0 ] && parses "$out"
        verdict "JSON parses: $name" $?
    }
    json "run" run -m "$model" -p hello -n 4 --json
    json "run, bytes that are not UTF-8" run -m "$model" -bf "$work/odd" -n 30 --json
    json "run with a profile" run -m "$model" -p hello -n 4 --json --profile
    json "chat" chat -m "$model" --chat-template chatml -st -p hello -n 4 --json
    json "tokenize" tokenize -m "$model" -f "$work/odd" --json
    json "tokenize --ids" tokenize -m "$model" -p hello --ids
    json "info" info "$model" --json
    json "info --all" info "$model" --json --all
    call info "$model" --json -c 100
    grep -q '"n_ctx": 128' "$out"
    verdict "info: the context in whole pages, as it would be" $?
    json "gguf dump --all" gguf dump "$model" --json --all
    json "gguf check" gguf check "$model" --json
    json "verify --digest" verify -m "$model" --digest --json
    json "bench -o json" bench -m "$model" -p 8 -n 2 -pg 8,2 -r 2 -o json
    python3 - "$out" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))
names = """build_commit build_number cpu_info backends model_filename model_type model_size model_n_params n_batch n_ubatch n_threads type_k
type_v n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts samples_ns samples_ts gb_s gop_s of_peak bound peak_rss ttft_ms""".split()
assert [(r["n_prompt"], r["n_gen"]) for r in rows] == [(8, 0), (0, 2), (8, 2)]
for r in rows:
    assert list(r) and all(n in r for n in names), set(names) - set(r)
    assert len(r["samples_ns"]) == len(r["samples_ts"]) == 2 and r["gb_s"] > 0 and r["gop_s"] > 0
    assert r["of_peak"] > 0 and r["bound"] in ("memory", "compute")
PYTHON
    verdict "bench: the tests asked for, with llama-bench's field names" $?
    json "bench, every list" bench -m "$model,$model" -p 4 -p 6 -n 0 -pg 4,2 -pg 3,1 -d 70,0,5 -t 1,2 --backend scalar,cpu:tile=1,threads=3 -ctk f32,f16 \
        -ctv f32,f16 -b 5 -ub 3-4 -r 1 -o json
    python3 - "$out" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))
tests = [(4, 0), (6, 0), (4, 2), (3, 1)]
want = [(b, t, u, k, d, p, g)
        for _ in range(2)
        for b, t in (("scalar", 1), ("scalar", 2), ("own", 3))
        for u in (3, 4) for k in ("f32", "f16") for d in (70, 0, 5) for p, g in tests]
got = [("scalar" if "scalar" in r["backends"] and r["n_threads"] < 3 else "own", r["n_threads"], r["n_ubatch"], r["type_k"], r["n_depth"],
        r["n_prompt"], r["n_gen"]) for r in rows]
assert got == want, [(a, b) for a, b in zip(got, want) if a != b][:3] + [len(got), len(want)]
# what a test at a depth does is what it does after so many tokens: more work for attention, the same for the rest
by = {(r["n_depth"], r["n_prompt"], r["n_gen"]): r["gop_s"] * r["avg_ns"] for r in rows if r["type_k"] == "f32"}
assert by[0, 4, 0] < by[5, 4, 0] < by[70, 4, 0] and by[0, 4, 2] < by[5, 4, 2] < by[70, 4, 2], by
per_key = (by[5, 4, 0] - by[0, 4, 0]) / 5
assert abs((by[70, 4, 0] - by[0, 4, 0]) / 70 / per_key - 1) < 1e-3, by
PYTHON
    verdict "bench: models, backends, threads, types, batches, depths and tests in order, each at its depth" $?
    call bench "$model" -p 4 -n 2 -r 1 -o sql
    python3 -c 'import sqlite3, sys
d = sqlite3.connect(":memory:")
d.executescript(open(sys.argv[1]).read())
assert d.execute("select n_prompt, n_gen, avg_ts > 0 from llama_bench").fetchall() == [(4, 0, 1), (0, 2, 1)]' "$out"
    verdict "bench -o sql: statements that a data base takes" $?
    call bench "$model" -p 4 -n 0 -r 1 -o sql --no-warmup
    python3 -c 'import sqlite3, sys
d = sqlite3.connect(":memory:")
d.executescript(open(sys.argv[1]).read())
assert d.execute("select n_prompt from llama_bench where gb_s is null and bound is null").fetchall() == [(4,)]' "$out"
    verdict "bench -o sql: what was not measured is NULL" $?
    call bench "$model" -p 4 -n 0 -r 1 -o jsonl --backend cpu:threads=1,cpu:pack=0,threads=1
    [ "$code" -eq 0 ] && [ "$(grep -c '"backends": "cpu, level [a-z0-9-]*, weights as stored"' "$out")" -eq 1 ] &&
        [ "$(grep -c '"backends": "cpu, level [a-z0-9-]*"' "$out")" -eq 1 ]
    verdict "bench: weights as stored are told from packed ones" $?
    call bench "$model" -p 4 -n 0 -r 1 -o csv -oe jsonl
    [ "$code" -eq 0 ] && [ "$(wc -l <"$out")" -eq 2 ] && [ "$(wc -l <"$err")" -eq 1 ] && parses "$err"
    verdict "bench -oe: a second format on stderr" $?
    json "bench --ops" bench --ops -m "$model" -p 9 -d 40,3 -ctk f16,f32 -r 2 -o json
    grep -o '^TL_OP([A-Z0-9_]*, [a-z0-9_]*, .*' ops/ops.def | grep -v TL_OP_VIEW | sed 's/^[^,]*, //; s/,.*//' >"$work/ops"
    "$llama" --list-devices | sed -n 's/^cpu:isa=\([a-z0-9_]*\)$/\1/p' >"$work/levels"
    python3 - "$out" "$work/ops" "$work/levels" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))
ops, levels = (open(f).read().split() for f in sys.argv[2:])
assert len(ops) > 40 and "scalar" in levels
for level in levels:
    got = {(r["op"], r["n_rows"]) for r in rows if r["backends"] == "cpu, level " + level}
    want = {(o, n) for o in ops if o != "unpack" for n in (9, 1)}  # unpack: only where weights are packed
    assert {g for g in got if g[0] != "unpack"} == want, want ^ got
    keys = {(r["type"], r["n_depth"], r["n_rows"]) for r in rows if r["op"] == "attention" and r["backends"].endswith(level)}
    assert keys == {(t, d, n) for t in ("f16", "f32") for d in (40, 3) for n in (9, 1)}, keys
    assert {r["kernel"] for r in rows if r["op"] == "linear" and r["backends"].endswith(level)} != {"reference"}
for r in rows:
    assert r["bytes"] > 0 and r["gb_s"] > 0 and r["avg_ns"] > 0 and 1 <= len(r["samples_ns"]) <= 2, r
    assert r["bound"] in ("memory", "compute") and r["of_peak"] > 0 and r["kernel"] and r["shape"], r
    assert min(r["peak_" + p] for p in ("read_gb_s", "triad_gb_s", "f32_gop_s", "exact_gop_s", "int8_gop_s")) > 0, r
PYTHON
    verdict "bench --ops: every op on every level, for a prompt and for one token" $?
    call bench --op linear,rope --op embed "$model" -p 0 -r 1 --backend scalar -o csv -oe jsonl -q
    [ "$code" -eq 0 ] && head -n 1 "$out" | grep -q '^build_commit,cpu_info,backends,n_threads,model_type,op,kernel,' &&
        [ "$(wc -l <"$out")" -eq $(($(wc -l <"$err") + 1)) ] && tail -n 1 "$err" | python3 -m json.tool >/dev/null &&
        [ "$(sed 1d "$out" | cut -d '"' -f 12 | uniq | tr '\n' ' ')" = "rope linear embed " ]
    verdict "bench --op: the ops named, in two formats" $?
    json "bench --no-warmup" bench -m "$model" -p 8 -n 0 -r 1 --no-warmup --json
    call bench -m "$model" -p 4,8 -n 0 -r 1 --no-warmup --json
    [ "$code" -eq 0 ] && [ "$(wc -l <"$out")" -eq 2 ] && sed -n 2p "$out" | python3 -m json.tool >/dev/null
    verdict "bench --json: an object a line, as of other commands" $?
    call bench -m "$model" -p 4-8+4,1 -n 0 -r 1 -o jsonl
    [ "$code" -eq 0 ] && [ "$(wc -l <"$out")" -eq 3 ] && sed -n 3p "$out" | python3 -m json.tool >/dev/null
    verdict "bench -o jsonl: an object a line, ranges unfolded" $?
    call run -m "$model" -p hello -n 4 --profile=json -q
    parses "$err"
    verdict "--profile=json on stderr parses" $?
else
    echo "SKIP: cli: JSON: python3 is not installed"
fi
call bench -m "$model" -p 8 -n 2 -r 1
[ "$code" -eq 0 ] && grep -q '^| model .*| *test | *t/s |' "$out" && grep -q '| *pp8 |' "$out" && grep -q '| *tg2 |' "$out" && [ "$(wc -l <"$out")" -eq 4 ]
verdict "bench: a table of both tests" $?
call bench -m "$model" -p 8 -n 2 -r 1 -o csv
[ "$(wc -l <"$out")" -eq 3 ] && head -n 1 "$out" | grep -q '^build_commit,build_number,cpu_info,' && [ "$(awk -F, '{ print NF }' "$out" | sort -u | head -n 1)" -ge 25 ]
verdict "bench -o csv: a head and a line a test" $?
for option in -v --plan; do
    call bench -m "$model" -p 4 -n 0 -r 1 --backend scalar $option
    [ "$code" -eq 0 ] && grep -q '^ *[0-9]* *linear *scalar_dot_[a-z0-9_]* *tiles\|^ *[0-9]* *linear *scalar_panel_[a-z0-9_]* *tiles' "$err" &&
        grep -q ' scalar_attention_f16 ' "$err" && ! grep -q tiles "$out"
    verdict "bench $option names the kernel of every step" $?
done
call bench -m "$model" -p 4 -n 2 -r 1 --delay 0.05 -fa 1 -mmp 0 -ngl 0 --progress
[ "$code" -eq 0 ] && [ "$(wc -l <"$out")" -eq 4 ]
verdict "bench --delay, and options that scripts carry" $?
LLAMA_ARG_MODEL=/none call bench "$model" -p 4 -n 0 -r 1
[ "$code" -eq 0 ]
verdict "bench: a bare argument wins over a variable" $?
LLAMA_ARG_MODEL=/none call info "$model"
[ "$code" -eq 0 ]
verdict "info: a bare argument wins over a variable" $?
call run -m "$model" -p hello -n 4 --profile
grep -q '^op .*GB/s.*% of peak.*bound by' "$err" && grep -q '^linear .* \(memory\|compute\)$' "$err" && grep -q '^peaks: memory read [0-9.]* GB/s' "$err" && grep -q '^layer ' "$err" && grep -q '^role ' "$err" && grep -q '^attn_q ' "$err" && ! grep -q 'GB/s' "$out"
verdict "--profile: by op, layer and role, on stderr" $?
call run -m "$model" -p hello -n 1 --plan
grep -q "'blk.0.attn_q'" "$err" && ! grep -q 'blk.0' "$out"
verdict "--plan on stderr" $?
grep -q "set_rows.*'cache.0.k'" "$err" && grep -q "attention.*'blk.0.attn'" "$err"
verdict "--plan names the writes to the cache and attention by their layer" $?

# ---- verify ----

call verify -m "$model" --digest --backend ref
digest=$(cat "$out")
[ "$code" -eq 0 ] && grep -qx '[0-9a-f]\{16\}' "$out"
verdict "verify --digest: one digest" $?
for spec in $("$llama" --list-devices | grep -v '(not '); do
    call verify -m "$model" --digest --backend "$spec" -t 3
    [ "$code" -eq 0 ] && [ "$(cat "$out")" = "$digest" ]
    verdict "verify --digest: $spec gives that of ref" $?
done
call verify -m "$model" -n 4
[ "$code" -eq 0 ] && grep -q '^same bits: ' "$out"
verdict "verify: the default backend against ref" $?
refused 2 "leave --against away" verify -m "$model" --digest --against ref
refused 2 "leave --against away" verify -m "$model" --expect "$digest" --against ref
call verify -m "$model" --expect "$digest"
[ "$code" -eq 0 ] && [ "$(cat "$out")" = "$digest" ]
verdict "verify --expect: the digest of ref is what the default backend has" $?
other=$(echo "$digest" | tr '0-9a-f' '1-9a-f0')
call verify -m "$model" --expect "$other"
[ "$code" -eq 5 ] && [ "$(cat "$out")" = "$digest" ] && grep -q "the digest is $digest, $other was expected" "$err"
verdict "verify --expect: another digest, exit 5" $?
call verify -m "$model" --expect "$other" --json
[ "$code" -eq 5 ] && grep -q '"equal": *false' "$out"
verdict "verify --expect --json: another digest, exit 5" $?
for bad in "${digest}0" 0x12345678901234 '' "$(echo "$digest" | tr '0-9a-f' 'G')"; do
    refused 2 "--expect: '$bad' is not a digest" verify -m "$model" --expect "$bad"
done

# ---- chat ----

printf 'hello\n\n/unknown\n/regen\n/clear\n/exit\nnever read\n' | "$llama" chat -m "$model" --chat-template chatml -n 5 --temp 0 >"$out" 2>"$err"
code=$?
answers=$(sed -n 's/^generation .* \([0-9]*\) tokens .*/\1/p' "$err")
[ "$code" -eq 0 ] && [ "${answers:-0}" -gt 0 ] && [ "$answers" -le 10 ] && grep -q '/unknown is not a command' "$err" && grep -q 'the conversation is forgotten' "$err" &&
    ! grep -q '/' "$out"
verdict "chat through a pipe: answers on stdout, commands obeyed" $?
for way in '-s 7' '--temp 0 --presence-penalty 100 --repeat-last-n -1'; do
    # shellcheck disable=SC2086 # several words
    printf 'hello\n/clear\nhello\n' | "$llama" chat -m "$model" --chat-template chatml -n 8 --ignore-eos $way --json >"$out" 2>"$err"
    code=$?
    [ "$code" -eq 0 ] && grep -o '"ids": *\[[^]]*\]' "$out" >"$work/ids" && [ "$(wc -l <"$work/ids")" -eq 2 ] && [ "$(sort -u "$work/ids" | wc -l)" -eq 1 ]
    verdict "chat /clear $way: the same question has the answer of a new chat" $?
done
printf 'hello\n/regen\n' | "$llama" chat -m "$model" --chat-template chatml -n 8 --ignore-eos --temp 0 --presence-penalty 100 --repeat-last-n -1 --json >"$out" 2>"$err"
code=$?
[ "$code" -eq 0 ] && grep -o '"ids": *\[[^]]*\]' "$out" >"$work/ids" && [ "$(wc -l <"$work/ids")" -eq 2 ] && [ "$(sort -u "$work/ids" | wc -l)" -eq 1 ]
verdict "chat /regen: penalties know nothing of the answer that was dropped" $?
"$llama" chat -m "$model" --chat-template chatml <"$work" >"$out" 2>"$err"
code=$?
[ "$code" -eq 1 ] && grep -q "stdin: " "$err"
verdict "chat says that its input cannot be read, exit 1" $?
call chat -m "$model" --chat-template chatml --single-turn -p "Hello" -n 5 --temp 0
cp "$out" "$work/answer"
[ "$code" -eq 0 ] && [ -s "$out" ]
verdict "chat --single-turn: one answer, exit 0" $?
call run -m "$model" --chat-template chatml -st -p "Hello" -n 5 --temp 0
cmp -s "$out" "$work/answer"
verdict "run -st is that chat" $?
refused 2 "the chat template is neither one of chatml" chat -m "$model" --chat-template nonesuch -st -p x
echo chatml >"$work/template"
echo Rhyme >"$work/system"
call chat -m "$model" --chat-template chatml -sys Rhyme -st -p Hello -n 5 --temp 0 --json
grep -o '"prompt_ids.*"stop"' "$out" >"$work/given"
call chat -m "$model" --chat-template-file "$work/template" -sysf "$work/system" -st -p Hello -n 5 --temp 0 --json
[ "$code" -eq 0 ] && grep -o '"prompt_ids.*"stop"' "$out" | cmp -s - "$work/given"
verdict "chat: template and system message from files, less their newlines" $?
refused 2 "--single-turn without a question" chat -m "$model" --chat-template chatml -st
if [ "$model" != "${TALLY_DEMO_MODEL-}" ] && [ -n "$small" ]; then
    refused 2 "mistral by --chat-template NAME" chat -m "$model" -st -p x
fi

# ---- pipes, signals, terminals ----

{
    "$llama" run -m "$model" -p "Once" --ignore-eos -n 400 2>"$err" </dev/null
    echo $? >"$work/code"
} | head -c 1 >"$out"
code=$(cat "$work/code")
[ "$code" -eq 0 ] && ! grep -qi 'llama: \|broken\|error' "$err"
verdict "a closed pipe ends run quietly, exit 0" $?
LC_ALL=C sed 's/\(general\.architecture.\{12\}\)llama/\1\x1b[2Jx/' "$model" >"$work/escape.gguf"
call info "$work/escape.gguf"
grep -qF "[2Jx" "$out" && ! grep -q "$(printf '\033')" "$out" "$err"
verdict "info: escapes for the terminal in a file's text stay text" $?
{
    "$llama" gguf dump "$model" --json --all 2>"$err" </dev/null
    echo $? >"$work/code"
} | head -c 1 >"$out"
code=$(cat "$work/code")
[ "$code" -eq 0 ] && [ ! -s "$err" ]
verdict "a closed pipe ends gguf dump quietly, exit 0" $?
{
    for i in $(seq 40); do echo "hello $i"; sleep 0.05; done | "$llama" chat -m "$model" --chat-template chatml -n 2 -c 8192 --json --verbose-prompt 2>"$err"
    echo $? >"$work/code"
} | head -c 1 >"$out"
code=$(cat "$work/code")
[ "$code" -eq 0 ] && [ "$(grep -c '^prompt: ' "$err")" -lt 20 ]
verdict "a closed pipe ends chat --json quietly, exit 0" $?
# unread ARGUMENTS...: a bench whose reader goes away after the first byte measures less than half of 40 or more tests.
unread() {
    {
        "$llama" bench -m "$model" "$@" -oe jsonl -q 2>"$err" </dev/null
        echo $? >"$work/code"
    } | head -c 1 >"$out"
    code=$(cat "$work/code")
    [ "$code" -eq 0 ] && [ "$(wc -l <"$err")" -lt 20 ]
    verdict "a closed pipe ends bench $1 quietly, exit 0" $?
}
unread -p 8-63 -n 0 -r 1 --delay 0.05
unread --ops -p 8 -n 1 -r 1 --backend scalar
if [ -c /dev/full ]; then
    "$llama" run -m "$model" -p Once -n 9 >/dev/full 2>"$err" </dev/null
    code=$?
    [ "$code" -eq 1 ] && grep -q '^llama: stdout: ' "$err"
    verdict "a full disk is reported, exit 1" $?
    "$llama" info "$model" >/dev/full 2>"$err" </dev/null
    code=$?
    [ "$code" -eq 1 ] && grep -q '^llama: stdout: ' "$err"
    verdict "a full disk is reported by info, exit 1" $?
fi

# interrupted NAME ARGUMENTS...: Ctrl-C once the tool is at work (it has written a word to $out or $err), exit 130.
interrupted() {
    name=$1
    shift
    : >"$out" # what an earlier run has left there would end the wait for this one
    : >"$err"
    "$llama" "$@" >"$out" 2>"$err" </dev/null &
    id=$!
    tries=0
    while [ ! -s "$out" ] && ! grep -q seed "$err" && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    kill -INT "$id"
    wait "$id"
    code=$?
    [ "$code" -eq 130 ]
    verdict "Ctrl-C in $name: exit 130" $?
}
interrupted "run" run -m "$model" -p Once --ignore-eos -c 400000 --backend ref
grep -q '^generation ' "$err"
verdict "Ctrl-C in run: the timings still come" $?
interrupted "a chat's only answer" chat -m "$model" --chat-template chatml -st -p Hello --ignore-eos -c 400000 --backend ref
# A model that is cut short while it is mapped: a message that names it, and the code of a model that cannot be read, not SIGBUS.
cp "$model" "$work/cut.gguf"
: >"$err"
"$llama" run -m "$work/cut.gguf" -p Once --ignore-eos -c 400000 --no-pack -t 2 >"$out" 2>"$err" </dev/null &
id=$!
tries=0
while ! grep -q seed "$err" && [ $tries -lt 200 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
: >"$work/cut.gguf"
wait "$id"
code=$?
[ "$code" -eq 3 ] && grep -q "^llama: '$work/cut.gguf' was cut short" "$err"
verdict "a model that is cut short while it runs: exit 3, and its name" $?
if mkfifo "$work/fifo" 2>/dev/null; then
    : >"$out"
    "$llama" run -m "$model" -f "$work/fifo" >"$out" 2>"$err" </dev/null &
    id=$!
    sleep 1
    kill -INT "$id"
    for tries in $(seq 200); do
        kill -0 "$id" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$id" 2>/dev/null
    wait "$id"
    code=$?
    [ "$code" -eq 130 ] && [ ! -s "$err" ]
    verdict "Ctrl-C while -f waits for a pipe: exit 130" $?
else
    echo "SKIP: cli: Ctrl-C while -f waits for a pipe: mkfifo does not work here"
fi
# printing ARGUMENTS...: Ctrl-C while the reader of a pipe is slow.
printing() {
    # shellcheck disable=SC2217 # it holds the pipe open, and reads nothing
    sleep 3 <"$work/fifo" &
    "$llama" "$@" >"$work/fifo" 2>"$err" </dev/null &
    id=$!
    sleep 1
    kill -INT "$id"
    wait "$id"
    code=$?
    [ "$code" -eq 130 ] && [ ! -s "$err" ]
    verdict "Ctrl-C while $1 prints: exit 130" $?
    wait
}
if [ -p "$work/fifo" ]; then
    seq 40000 >"$work/numbers"
    printing tokenize -m "$model" -f "$work/numbers" --ids
fi
# Between the weights and the first token: the line about the model, which has no room behind that about the backend.
if [ "$(uname)" = Linux ] && command -v python3 >/dev/null 2>&1; then
    call run -m "$model" -p Once -n 1 -v
    room=$(head -n 1 "$err" | wc -c)
    python3 tests/interrupt.py "$room" "$llama" run -m "$model" -p Once --ignore-eos -c 400000 -v >"$out" 2>"$err"
    code=$?
    if [ "$code" -eq 77 ]; then
        echo "SKIP: cli: Ctrl-C while the context is made: pipes have a size of their own here"
    else
        [ "$code" -eq 130 ]
        verdict "Ctrl-C while the context is made: exit 130" $?
    fi
fi
interrupted "bench --ops" bench --op add,linear --backend ref
interrupted "bench" bench -m "$model" -p 4096 -n 4096 -r 1000 --no-warmup --backend ref

# A terminal of its own for the tool: Python's pty.
if command -v python3 >/dev/null 2>&1 && python3 -c 'import pty' 2>/dev/null; then
    terminal() { # NAME COLOURS(0|1) CODE ARGUMENTS...
        name=$1 colours=$2 want=$3
        shift 3
        python3 tests/terminal.py "$llama" "$@" >"$out" 2>"$err" </dev/null
        code=$?
        if [ "$colours" = 1 ]; then
            [ "$code" -eq "$want" ] && grep -q "$(printf '\033')\[[0-9;]*m" "$out"
        else
            [ "$code" -eq "$want" ] && ! grep -q "$(printf '\033')\[[0-9;]*m" "$out"
        fi
        verdict "on a terminal: $name" $?
    }
    unset NO_COLOR
    TERM=xterm
    export TERM
    terminal "an error is coloured" 1 2 run -m x -p x -n bad
    terminal "--color off" 0 0 run -m "$model" -p x -n 1 --color off
    NO_COLOR=1
    export NO_COLOR
    terminal "NO_COLOR" 0 2 run -m x -p x -n bad
    terminal "run without a prompt says what to do" 0 2 run -m "$model"
    grep -q 'give -p TEXT' "$out"
    verdict "on a terminal: names -p" $?
    TYPED='hello
/exit
'
    export TYPED
    terminal "llama -m MODEL chats" 0 0 -m "$model" --chat-template chatml -n 4
    TYPED=$(printf '\003')
    terminal "Ctrl-C at the prompt ends the chat, exit 130" 0 130 chat -m "$model" --chat-template chatml -n 4
    TYPED=$(printf 'hello\n\003/exit\n.')
    TYPED=${TYPED%.}
    terminal "Ctrl-C ends an answer, not the chat" 0 0 chat -m "$model" --chat-template chatml --ignore-eos --backend ref -c 400000
else
    echo "SKIP: cli: terminals: python3 with pty is not installed"
fi

exit $failed
