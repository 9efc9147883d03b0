#!/usr/bin/env python3
"""terminal.py COMMAND...: runs a command on a terminal of its own, copies what it shows to stdout and ends with its exit code.

TYPED is typed, a line (or Ctrl-C) each time that the command shows a prompt ("> " at the start of a line), or, for Ctrl-C behind a
line, once the answer has begun. Used by cli.sh.
"""
import os
import pty
import re
import select
import signal
import sys
import time

typed = re.findall(r"\x03|[^\n\x03]*\n", os.environ.get("TYPED", ""))
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])

shown = b""
fresh = b""  # shown since something was last typed
asked = False  # a line has been typed: what comes is an answer, not the head
end = time.time() + 60
while time.time() < end:
    if select.select([terminal], [], [], 0.2)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not data:
            break
        shown += data
        fresh += data
    if not typed:
        continue
    plain = re.sub(rb"\x1b\[[0-9;]*[mK]", b"", fresh)
    prompt = re.search(rb"(^|[\r\n])> $", plain)
    answering = asked and typed[0] == "\x03" and re.match(rb"[^\n]*\n(?s:.){10}", plain)
    if prompt or answering:
        fresh = b""
        asked = True
        os.write(terminal, typed.pop(0).encode())
else:
    os.kill(child, signal.SIGKILL)
sys.stdout.buffer.write(shown)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
