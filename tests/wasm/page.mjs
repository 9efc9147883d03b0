// page.mjs: the suite in a page, which chromium.mjs serves: runs the programs that the address names and sends what they say.
import { readRules, suite } from './suite.mjs'
import { Exit, wasi } from './wasi.mjs'

const wanted = new URLSearchParams(location.search)
const rules = readRules(await (await fetch('suite.txt')).text())
const env = Object.fromEntries([...wanted].filter(([k]) => k.startsWith('TALLY_')))
let text = ''
let result = 0
for (const program of wanted.getAll('program')) {
    try {
        const code = await WebAssembly.compileStreaming(fetch(`programs/${program}.wasm`))
        const run = async (test, pages = 65536) => {
            const memory = new WebAssembly.Memory({ initial: 256, maximum: pages })
            let output = ''
            const system = wasi({ args: [program], env: { ...env, CHECK_TEST: test }, write: (fd, more) => output += more, memory })
            const { exports } = await WebAssembly.instantiate(code, { env: { memory }, wasi_snapshot_preview1: system })
            try {
                exports._initialize()
                const code = exports.__main_void()
                exports.fflush(0)
                return { code, output }
            } catch (e) {
                return e instanceof Exit ? { code: e.code, output } : { code: 'trap', output: `${output}${e.stack ?? e}\n` }
            }
        }
        result |= await suite({ program, rules, run, say: more => text += more })
    } catch (e) {
        text += `${program}: ${e.stack ?? e}\n`
        result = 1
    }
}
await fetch('done', { method: 'POST', body: JSON.stringify({ text, result }) })
