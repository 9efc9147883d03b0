#!/bin/sh
# seeds.sh FUZZER FOLDER: writes small well-formed inputs for one fuzz target into FOLDER, so that fuzzing begins behind the first
# checks; committed files of tests/seeds/FUZZER (inputs that once failed) join them.
set -u
fuzzer=$1 folder=$2
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
mkdir -p "$folder" || exit 1

# Little-endian integers and length-prefixed strings, as GGUF stores them; numbers below 128.
u32() { printf '%b' "\\0$(printf %o "$1")\\0000\\0000\\0000"; }
u64() { u32 "$1" && u32 0; }
str() { u64 ${#1} && printf %s "$1"; }
kv_u32() { str "$1" && u32 4 && u32 "$2"; }
kv_str() { str "$1" && u32 8 && str "$2"; }
header() { printf GGUF && u32 "$1" && u64 "$2" && u64 "$3"; } # version, tensors, pairs
# zeros N: N zero bytes.
zeros() { dd if=/dev/zero bs=1 count="$1" 2>/dev/null; }

case $fuzzer in
*gguf*)
    header 3 0 0 >"$folder/empty"
    {
        header 2 0 3
        kv_str general.architecture llama
        kv_u32 llama.block_count 1
        str tokenizer.ggml.tokens && u32 9 && u32 8 && u64 3 && str a && str b && str '<0x0A>'
    } >"$folder/pairs"
    {
        header 3 1 1
        kv_u32 general.alignment 32
        str w && u32 2 && u64 4 && u64 2 && u32 0 && u64 0 # w [2, 4], F32, at 0; 98 bytes so far
        zeros 30 && zeros 32
    } >"$folder/tensor"
    ;;
*chat* | *template*)
    printf '%s' "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" >"$folder/chatml"
    printf '%s' "{{ bos_token }}{% for message in messages %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endfor %}" >"$folder/llama2"
    printf '%s' "<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>" >"$folder/llama3"
    ;;
*)
    printf 'Hello, world! 123 \303\251\342\202\254\360\237\230\200\n' >"$folder/text"
    printf '<|im_start|>user\nhi<|im_end|>\n' >"$folder/special"
    printf 'a\377\300\200b\355\240\200\n' >"$folder/invalid-utf8"
    printf '{"a": [1, -2.5e3, "\\u00e9", null, true]}' >"$folder/json"
    ;;
esac
if [ -d "$root/tests/seeds/$fuzzer" ]; then
    cp "$root/tests/seeds/$fuzzer"/* "$folder/"
fi
