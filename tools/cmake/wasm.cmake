# The toolchain of the WebAssembly presets: clang and wasi-libc, no emscripten. One build makes one module:
# TALLY_WASM_RELAXED compiles the level `relaxed` in (clang 19 or later), TALLY_WASM_THREADS makes it one for shared memory.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(TALLY_WASM ON)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TALLY_WASM_THREADS)

# The first clang that links a program, because it finds lld, wasi-libc and its own run-time library for wasm32.
if(NOT CMAKE_C_COMPILER)
    foreach(name clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang)
        execute_process(COMMAND sh -c "echo 'int main(void) { return 0; }' | ${name} --target=wasm32-wasi -x c - -o /dev/null"
            RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
        if(code EQUAL 0)
            find_program(tally_wasm_clang NAMES ${name} REQUIRED)
            break()
        endif()
    endforeach()
    if(NOT tally_wasm_clang)
        message(FATAL_ERROR "No clang here links for wasm32-wasi: install lld, wasi-libc and libclang-rt-VERSION-dev-wasm32 for it")
    endif()
    set(CMAKE_C_COMPILER ${tally_wasm_clang})
endif()
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
# The archiver of the same version: `ar` of the host makes no index of wasm objects.
get_filename_component(clang_real ${CMAKE_C_COMPILER} REALPATH)
get_filename_component(clang_folder ${clang_real} DIRECTORY)
find_program(tally_wasm_ar NAMES llvm-ar llvm-ar-19 llvm-ar-14 HINTS ${clang_folder} REQUIRED)
find_program(tally_wasm_ranlib NAMES llvm-ranlib llvm-ranlib-19 llvm-ranlib-14 HINTS ${clang_folder} REQUIRED)
set(CMAKE_AR ${tally_wasm_ar})
set(CMAKE_RANLIB ${tally_wasm_ranlib})

# What every engine has had since 2021 and 128-bit vectors.
set(CMAKE_C_FLAGS_INIT "-msimd128 -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals")
# Not -O3: clang 19 then loses an absolute value (tests/test_quant.c notices).
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "Flags of Release")
# The stack lies first, so that running over it traps; 4 GiB is all that 32 bits address. -O0 goes to the linker alone: it keeps clang
# from running a wasm-opt that happens to be on the PATH, and may be too old for the module.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-z,stack-size=1048576,--stack-first,--max-memory=4294967296,--import-memory,--export-memory -O0")
if(TALLY_WASM_THREADS)
    # wasi-libc is built without atomics and for one thread: its errno is no thread's own, and must not be declared as if it were.
    string(APPEND CMAKE_C_FLAGS_INIT " -matomics -D_Thread_local= -Wno-keyword-macro")
    string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,--shared-memory,--no-check-features,--export=__stack_pointer")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
