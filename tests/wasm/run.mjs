// run.mjs [--threads N] [--pages N] PROGRAM.wasm [ARGUMENT...]: runs a program of the suite, each of its tests in an instance of its own,
// and ends with Check's summary line. With arguments the program runs once, as a tool. suite.txt beside this file lists the tests that
// cannot run here, which are said as SKIP lines. --threads lends the module N - 1 threads (default: suite.txt's number); --pages is the
// maximum of its memory in 64 KiB. TALLY_* variables are passed on; their folders can be read.
//
// run.mjs --left-out SOURCES says all of suite.txt that cannot run, whole programs test by test.
import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { readRules, suite } from './suite.mjs'
import { Exit, wasi } from './wasi.mjs'

const INITIAL_PAGES = 256
const options = { threads: 0, pages: 65536 }
const rules = readRules(fs.readFileSync(new URL('./suite.txt', import.meta.url), 'utf8'))
const say = text => fs.writeSync(1, text)

if (process.argv[2] === '--left-out') {
    for (const rule of rules.filter(r => r.verb === 'skip')) {
        if (rule.what !== '*') {
            say(`SKIP: ${rule.what}: ${rule.reason}\n`)
            continue
        }
        const source = fs.readFileSync(path.join(process.argv[3], `${rule.program}.c`), 'utf8')
        for (const [, test] of source.matchAll(/^START_TEST\((\w+)\)/gm))
            say(`SKIP: ${test}: ${rule.reason}\n`)
    }
    process.exit(0)
}
const words = process.argv.slice(2)
while (words[0]?.startsWith('--'))
    options[words.shift().slice(2)] = Number(words.shift())
const [file, ...args] = words
const program = path.basename(file, '.wasm')
const code = new WebAssembly.Module(fs.readFileSync(file))
const shared = WebAssembly.Module.exports(code).some(e => e.name === '__stack_pointer') // which only workers need
const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith('TALLY_')))
const read = Object.values(env).filter(v => v.startsWith('/')).map(v => fs.existsSync(v) ? v : '/nowhere')
if (shared && !options.threads)
    options.threads = Number(rules.find(r => r.program === program && r.verb === 'threads')?.what ?? 16)

// ---- threads: workers outlive an instance; one that it left in use is ended and replaced ----

// All slots first: making one grows the memory, and a worker that is just being handed the memory misses that (V8: its instance goes on
// checking atomic accesses against the old size, and traps).
const workers = []
async function lend(exports, memory) {
    const slots = [], started = []
    exports.tl_host_cpus?.(2)
    for (let i = 1; exports.tl_host_thread_new && i < options.threads; i++)
        slots.push(exports.tl_host_thread_new() >>> 0)
    for (const [i, slot] of slots.entries()) {
        const worker = (workers[i] ??= new Worker(new URL('./thread.mjs', import.meta.url)))
        started.push(new Promise((ready, failed) => {
            worker.removeAllListeners()
            worker.once('message', ready)
            worker.once('error', failed)
            worker.postMessage({ code, memory, slot })
        }))
    }
    await Promise.all(started)
    return slots
}

// Runs the program once. { code, output }; code is 'trap' with the reason in output where it trapped.
async function run(variables, args, live, pages) {
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: pages ?? options.pages, shared })
    let output = ''
    const write = (fd, text) => live ? fs.writeSync(fd, text) : (output += text)
    const system = wasi({ args: [program, ...args], env: { ...env, ...variables }, read, fs, write, memory })
    const { exports } = await WebAssembly.instantiate(code, { env: { memory }, wasi_snapshot_preview1: system })
    exports._initialize()
    const slots = await lend(exports, memory)
    let result
    try {
        const code = exports.__main_void()
        exports.fflush(0)
        result = { code, output }
    } catch (e) {
        result = e instanceof Exit ? { code: e.code, output } : { code: 'trap', output: `${output}${e.stack ?? e}\n` }
    }
    for (const [i, slot] of slots.entries())
        if (result.code === 0 && new Int32Array(memory.buffer, slot + 4, 1)[0] === 0) { // free
            exports.tl_host_thread_end(slot)
        } else {
            await workers[i].terminate()
            delete workers[i]
        }
    return result
}

let result
if (args.length > 0) {
    const r = await run({}, args, true)
    if (r.code === 'trap')
        say(r.output)
    result = r.code === 'trap' ? 1 : r.code
} else {
    result = await suite({ program, rules, run: (test, pages) => run({ CHECK_TEST: test }, [], false, pages), say })
}
process.exit(result)
