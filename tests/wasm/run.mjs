// run.mjs [--threads N] [--pages N] PROGRAM.wasm [ARGUMENT...]: runs a program of the suite, each of its tests in an instance of its own,
// and ends with Check's summary line. With arguments the program runs once, as a tool. suite.txt beside this file lists the tests that
// cannot run here, which are said as SKIP lines. --threads lends the module N - 1 threads (default: suite.txt's number); --pages is the
// maximum of its memory in 64 KiB. TALLY_* variables are passed on; their folders can be read.
//
// run.mjs --left-out SOURCES says the tests of programs that are not even built.
import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { Exit, wasi } from './wasi.mjs'

const INITIAL_PAGES = 256
const options = { threads: 0, pages: 65536 }
// suite.txt: PROGRAM threads N; PROGRAM pages TEST N; PROGRAM skip TEST REASON, where TEST may be * for all.
const rules = fs.readFileSync(new URL('./suite.txt', import.meta.url), 'utf8').split('\n').map(line => line.match(/^(\w+) (\w+) (\S+) *(.*)$/))
    .filter(Boolean).map(([, program, verb, what, reason]) => ({ program, verb, what, reason }))
const say = text => fs.writeSync(1, text)

if (process.argv[2] === '--left-out') {
    for (const rule of rules.filter(r => r.verb === 'skip' && r.what === '*')) {
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
const shared = WebAssembly.Module.exports(code).some(e => e.name === 'tl_host_thread_new')
const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith('TALLY_')))
const read = Object.values(env).filter(v => v.startsWith('/')).map(v => fs.existsSync(v) ? v : '/nowhere')
if (shared && !options.threads)
    options.threads = Number(rules.find(r => r.program === program && r.verb === 'threads')?.what ?? 16)

// ---- threads: workers outlive an instance; one that it left in use is ended and replaced ----

const workers = []
async function lend(exports, memory) {
    const slots = []
    exports.tl_host_cpus?.(2)
    for (let i = 0; shared && i < options.threads - 1; i++) {
        workers[i] ??= new Worker(new URL('./thread.mjs', import.meta.url))
        const worker = workers[i], slot = exports.tl_host_thread_new() >>> 0
        slots.push(slot)
        await new Promise((ready, failed) => {
            worker.removeAllListeners()
            worker.once('message', ready)
            worker.once('error', failed)
            worker.postMessage({ code, memory, slot })
        })
    }
    return slots
}

// Runs the program once. { code, output }; code is 'trap' with the reason in output where it trapped.
async function run(variables, args, live, pages = options.pages) {
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: pages, shared })
    let output = ''
    const write = (fd, data) => live ? fs.writeSync(fd, data) : (output += data)
    const system = wasi({ args: [program, ...args], env: { ...env, ...variables }, read, write, memory })
    const { exports } = await WebAssembly.instantiate(code, { env: { memory }, wasi_snapshot_preview1: system })
    const slots = await lend(exports, memory)
    let result
    try {
        exports._start()
        result = { code: 0, output }
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

// ---- the suite ----

const skips = new Map(rules.filter(r => r.program === program && r.verb === 'skip').map(r => [r.what, r.reason]))

async function suite() {
    const list = (await run({}, [])).output.split('\n').map(line => line.match(/^CHECK (\d+:-?\d+) (\d+) (\w+) (.*)$/)).filter(Boolean)
    let failures = 0, errors = 0, checks = 0
    const met = new Set(), told = new Set()
    const tell = line => told.has(line) || (told.add(line), say(line + '\n')) // an instance a test: each says it anew
    for (const [, which, signal, name, group] of list) {
        const reason = skips.get(name)
        if (reason) {
            tell(`SKIP: ${name}: ${reason}`)
            met.add(name)
            continue
        }
        const pages = rules.find(r => r.program === program && r.verb === 'pages' && r.what === name)?.reason
        const r = await run({ CHECK_TEST: which }, [], false, Number(pages ?? options.pages))
        checks++
        r.output.split('\n').filter(line => line.startsWith('SKIP: ')).forEach(tell)
        if (signal !== '0' ? r.code === 'trap' : r.code === 0)
            continue
        if (r.code === 'trap')
            errors++
        else
            failures++
        say(`${program}.c:${group}:${name}:${which.split(':')[1]}: ${r.code === 'trap' ? 'trapped' : `ended with ${r.code}`}\n${r.output}`)
    }
    for (const name of skips.keys())
        if (!met.has(name)) {
            say(`suite.txt lists ${program} ${name}, which is no test\n`)
            errors++
        }
    const bad = failures + errors
    say(`${checks ? Math.floor(100 * (checks - bad) / checks) : 0}%: Checks: ${checks}, Failures: ${failures}, Errors: ${errors}\n`)
    return checks === 0 || bad > 0 ? 1 : 0
}

let result
if (args.length > 0) {
    const r = await run({}, args, true)
    if (r.code === 'trap')
        say(r.output)
    result = r.code === 'trap' ? 1 : r.code
} else {
    result = await suite()
}
process.exit(result)
