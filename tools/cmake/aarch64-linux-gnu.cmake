# Cross build for 64-bit Arm Linux, run by qemu. On Debian: gcc-aarch64-linux-gnu and qemu-user, and for the tests
# `dpkg --add-architecture arm64 && apt-get update && apt-get install check:arm64`. CC=clang takes clang with the same libraries.
# QEMU_CPU (cortex-a53, neoverse-n1, max) chooses the processor, and with it the level.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
if(NOT CMAKE_C_COMPILER AND "$ENV{CC}" STREQUAL "")
    set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
endif()
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu) # clang's; gcc ignores it
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
