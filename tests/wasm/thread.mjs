// thread.mjs: a worker that lends its thread to one instance after the other (tensor/platform_wasm.c). A trap
// here ends the whole run with its reason: the main thread waits inside the module for this one and would never hear of it.
import fs from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { wasi } from './wasi.mjs'

parentPort.on('message', ({ code, memory, slot }) => {
    const system = wasi({ memory, write: () => {} })
    const { exports } = new WebAssembly.Instance(code, { env: { memory }, wasi_snapshot_preview1: system })
    exports.__stack_pointer.value = new DataView(memory.buffer).getUint32(slot, true)
    parentPort.postMessage('ready')
    try {
        exports.tl_host_thread_serve(slot)
    } catch (e) {
        fs.writeSync(2, `a thread trapped: ${e.stack ?? e}\n`)
        process.kill(process.pid)
    }
})
