// thread.mjs: a worker that lends its thread to one instance after the other (tensor/platform_wasm.c).
import { parentPort } from 'node:worker_threads'
import { wasi } from './wasi.mjs'

parentPort.on('message', ({ code, memory, slot }) => {
    const system = wasi({ memory, write: () => {} })
    const { exports } = new WebAssembly.Instance(code, { env: { memory }, wasi_snapshot_preview1: system })
    exports.__stack_pointer.value = new DataView(memory.buffer).getUint32(slot, true)
    parentPort.postMessage('ready')
    exports.tl_host_thread_serve(slot)
})
