#!/usr/bin/env python3
"""interrupt.py BYTES COMMAND...: runs a command whose stderr is a pipe with room for so many bytes and no more, presses Ctrl-C while it waits
there, reads the pipe and ends with its exit code; 77 where pipes cannot be so small. Used by cli.sh.
"""
import fcntl
import os
import signal
import subprocess
import sys
import time

PAGE = 4096
reader, writer = os.pipe()
try:
    fcntl.fcntl(writer, 1031, PAGE)  # F_SETPIPE_SZ, which Python 3.9 does not name
except OSError:
    sys.exit(77)
os.write(writer, b"x" * (PAGE - int(sys.argv[1])))
command = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
os.close(writer)
time.sleep(1)
command.send_signal(signal.SIGINT)
time.sleep(0.2)
os.set_blocking(reader, False)
end = time.time() + 10
while command.poll() is None and time.time() < end:
    try:
        os.read(reader, PAGE)
    except BlockingIOError:
        time.sleep(0.02)
if command.poll() is None:
    command.kill()
sys.exit(command.wait() % 256)
